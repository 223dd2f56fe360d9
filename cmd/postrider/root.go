package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/pkg/webhook"
)

// cli is what every command works with: the process as values, so that tests
// can pass their own.
type cli struct {
	in          io.Reader
	out, errOut io.Writer
	env         []string
	now         func() time.Time

	style      style // of standard output
	configFile string
	output     string // text | json
}

// exitError carries an exit code other than 1.
type exitError struct {
	error
	code int
}

// Unwrap returns the error itself.
func (e exitError) Unwrap() error { return e.error }

// exitCode is the process's exit code for err: 0, what an exitError says, else 1.
func exitCode(err error) int {
	var e exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return e.code
	}
	return 1
}

// newRoot assembles the command tree.
func newRoot(c *cli) *cobra.Command {
	root := &cobra.Command{
		Use:   "postrider",
		Short: "Email providers' event webhooks, proven, normalized and published to Kafka",
		Long: `postrider receives the event webhooks of email providers over HTTP, proves who
sent them, turns every provider's payload into one canonical event and publishes
each event to a Kafka topic of its type.`,
		Example: `  postrider serve            in one terminal
  postrider send --all       in a second one
  postrider tail             in a third one`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := known("--output", []string{c.output}, []string{"text", "json"}); err != nil {
				return err
			}
			return c.outputFits(cmd)
		},
	}
	c.style = newStyle(c.out, c.getenv("NO_COLOR"))
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.errOut)
	root.PersistentFlags().StringVar(&c.configFile, "config", "", "configuration file (default ./config.yaml, then built-in defaults)")
	root.PersistentFlags().StringVar(&c.output, "output", "text", "form of the output: text or json")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	serve := newServe(c)
	serve.Annotations = map[string]string{textOnly: "it prints where things are, and then its log, which log.format makes JSON"}
	root.AddCommand(serve, newForward(c), newSources(c), newSend(c), newTail(c), newTrace(c), newTopics(c), newVerify(c), newDoctor(c), newAudit(c), newGroup(c), newReplay(c), newRedrive(c), newMap(c), newSpool(c), newConfig(c), newSchema(c), newShadow(c), newHealthcheck(c), newVersion(c))
	improveHelp(root)
	improveCompletion(root)
	return root
}

// outputFits refuses --output json where it would change nothing.
func (c *cli) outputFits(cmd *cobra.Command) error {
	if !c.json() {
		return nil
	}
	for ; cmd.HasParent(); cmd = cmd.Parent() {
		if why := cmd.Annotations[textOnly]; why != "" {
			return fmt.Errorf("%s has no --output json: %s", cmd.Name(), why)
		}
	}
	return nil
}

// textOnly annotates a command whose output has one form; the value says why.
const textOnly = "text only"

// load reads the configuration.
func (c *cli) load() (*config.Config, error) {
	return config.Load(config.Options{
		File: c.configFile, Env: c.env, Now: c.now,
		Providers: app.ProviderIDs(), AuthTypes: webhook.Types(), AuthRules: app.AuthRules(), Check: app.CheckConfig,
	})
}

// getenv looks a variable up in the environment that was passed in.
func (c *cli) getenv(name string) string {
	for _, kv := range c.env {
		if value, ok := strings.CutPrefix(kv, name+"="); ok {
			return value
		}
	}
	return ""
}

// json reports whether machines read the output.
func (c *cli) json() bool { return c.output == "json" }

// terminal reports whether w is a terminal.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// version is the module's version and commit as the build recorded them.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	v, revision := info.Main.Version, ""
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			revision = " (" + s.Value[:12] + ")"
		}
	}
	if v == "" || v == "(devel)" {
		v = "devel"
	}
	return v + revision
}
