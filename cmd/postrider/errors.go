package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/postrider/postrider/internal/config"
)

// printError tells a person what went wrong. The problems of a configuration stand
// one a line, each beginning with its place, as editors and terminals like it.
func printError(w io.Writer, err error) {
	var problems *config.Problems
	if !errors.As(err, &problems) {
		lines := strings.Split(err.Error(), "\n") // of several errors, one each
		for i := range lines {
			lines[i] = plainly(lines[i])
		}
		fmt.Fprintf(w, "postrider: %s\n", strings.Join(lines, "\n"))
		return
	}
	fmt.Fprintf(w, "postrider: the configuration has %s:\n", plural(problems.Len(), "problem"))
	for _, p := range problems.All() {
		fmt.Fprintln(w, p)
	}
}

// plainly takes from the beginning of an error the names of packages, which mean
// nothing to who runs the program. A command's name before them stays.
func plainly(text string) string {
	var kept strings.Builder
	for {
		word, rest, ok := strings.Cut(text, ": ")
		switch {
		case ok && slices.Contains(packageNames(), word):
		case ok && slices.Contains(speakers(), word) && kept.Len() == 0:
			kept.WriteString(word + ": ")
		default:
			return kept.String() + text
		}
		text = rest
	}
}

// packageNames are the packages whose errors reach a person.
func packageNames() []string {
	return []string{
		"admin", "app", "broker", "consumer", "deadletter", "dedupe", "delivery", "embedded", "event", "ingest", "jsondoc", "mapping", "metrics", "normalize", "provider", "quarantine", "selection", "sender", "shadow", "stored", "webhook",
	}
}

// speakers are the commands that begin their errors with their name.
func speakers() []string {
	return []string{"audit", "config", "doctor", "forward", "group", "healthcheck", "redrive", "replay", "send", "sources", "spool", "tail", "topics", "trace", "verify"}
}
