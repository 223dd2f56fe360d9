package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/config"
)

// group makes a command that is nothing without a subcommand: alone it shows its
// help, and a subcommand that does not exist is an error.
func group(cmd *cobra.Command) {
	cmd.Args = onlySubcommands
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() } //nolint:wrapcheck // standard output
}

// onlySubcommands refuses arguments. It names the subcommand that was meant.
func onlySubcommands(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var there []string
	for _, sub := range cmd.Commands() {
		there = append(there, sub.Name())
	}
	hint := "there are " + strings.Join(there, ", ")
	if near := config.Nearest(args[0], there); near != "" {
		hint = "did you mean " + near + "?"
	}
	return fmt.Errorf("%s: there is no subcommand %q: %s", strings.TrimPrefix(cmd.CommandPath(), "postrider "), args[0], hint)
}

// improveHelp lets `postrider help` fail for a command that does not exist.
func improveHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help := subcommand(root, "help")
	help.Short = "Help about any command"
	help.Example = `  postrider help send
  postrider help config check`
	help.Args = func(_ *cobra.Command, args []string) error {
		found, rest, err := root.Find(args)
		if err != nil {
			return err //nolint:wrapcheck // it says what was meant
		}
		return onlySubcommands(found, rest)
	}
}

// improveCompletion gives the completion commands, which the library makes,
// examples and an error for a shell it does not know.
func improveCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	completion := subcommand(root, "completion")
	group(completion)
	completion.Annotations = map[string]string{textOnly: "it prints a script for a shell"}
	completion.Example = "  postrider completion bash"
	for shell, where := range map[string]string{
		"bash":       " > /etc/bash_completion.d/postrider",
		"zsh":        ` > "${fpath[1]}/_postrider"`,
		"fish":       " > ~/.config/fish/completions/postrider.fish",
		"powershell": " | Out-String | Invoke-Expression",
	} {
		subcommand(completion, shell).Example = "  postrider completion " + shell + where
	}
}

// subcommand finds a command that is there.
func subcommand(cmd *cobra.Command, name string) *cobra.Command {
	for _, sub := range cmd.Commands() {
		if sub.Name() == name {
			return sub
		}
	}
	panic("no command " + name)
}
