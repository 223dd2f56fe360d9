package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/postrider/postrider/schemas"
)

// binary is the folder with the program under test, as it is shipped: built
// once, not the test binary in disguise.
var binary string

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "postrider-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	args := []string{"build", "-o", filepath.Join(dir, "postrider")}
	if raceEnabled {
		args = append(args, "-race")
	}
	build := exec.CommandContext(context.Background(), "go", append(args, ".")...)
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	binary = dir
	return m.Run()
}

// TestScripts runs testdata/script: each file is a story of the command line.
// Beside testscript's own commands they use
//
//	serve [NAME] [args]   start `postrider serve` and wait until it is ready; its
//	                      output goes to NAME.out and NAME.err (default: serve)
//	forward [NAME] [args] the same with `postrider forward`
//	target STATUS...      an HTTP server at $TARGET, which from now on answers with these
//	                      in turn, and then 204; target.log gets a line for each request
//	requests N            wait until target.log has N lines
//	stop [NAME]           SIGTERM, and wait; it has to exit 0
//	signal SIGNALS [NAME] send signals (TERM, INT, KILL) in one instant, and wait
//	same FILE WANT        compare after replacing what differs from run to run
//	secrets FILE...       check that no generated secret is in the files
//	private FILE          check that only its owner may read the file
//	hold ADDRESS          take a port
//	member GROUP TOPIC    a consumer joins the group, reads one record and stays
//	leave                 all consumers leave, and their groups become empty
//	hangup PATTERN [NAME] SIGHUP, and wait until NAME.err says something more
//	                      that matches
//
// and the variables $SERVER, $ADMIN, $KAFKA, $FORWARD and $TARGET, free addresses.
func TestScripts(t *testing.T) {
	t.Parallel()
	dir, files := "testdata/script", []string(nil)
	if testing.Short() {
		for _, name := range shortScripts {
			files = append(files, filepath.Join(dir, name+".txtar"))
		}
		dir = ""
	}
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		Files:               files,
		Setup:               setupScript,
		RequireUniqueNames:  true,
		Deadline:            time.Now().Add(scriptsTimeout),
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve":   cmdServe,
			"forward": cmdForward,
			"target":  cmdTarget, "requests": cmdRequests,
			"stop":    cmdStop,
			"signal":  cmdSignal,
			"same":    cmdSame,
			"secrets": cmdSecrets,
			"private": cmdPrivate,
			"hold":    cmdHold,
			"hangup":  cmdHangup,
			"member":  cmdMember,
			"leave":   cmdLeave,
		},
	})
}

// shortScripts are those that a short run is content with: each of the others shares
// the code that runs at the same time with one of them.
var shortScripts = []string{"first_run", "reload", "away", "spool", "replay_stop", "redrive_deadletters", "trace", "group"}

// scriptsTimeout bounds all scripts together, so that one that waits for something
// that never comes says where.
const scriptsTimeout = 4 * time.Minute

// setupScript gives a script the program, free ports and nothing else of the
// environment.
func setupScript(e *testscript.Env) error {
	addresses, err := freeAddresses(5)
	if err != nil {
		return err
	}
	e.Setenv("PATH", binary+string(os.PathListSeparator)+os.Getenv("PATH"))
	e.Setenv("HOME", e.WorkDir)
	e.Setenv("SERVER", addresses[0])
	e.Setenv("ADMIN", addresses[1])
	e.Setenv("KAFKA", addresses[2])
	e.Setenv("FORWARD", addresses[3])
	e.Setenv("TARGET", addresses[4])
	e.Setenv("POSTRIDER_FORWARD_LISTEN", addresses[3])
	e.Setenv("POSTRIDER_SERVER_LISTEN", addresses[0])
	e.Setenv("POSTRIDER_ADMIN_LISTEN", addresses[1])
	e.Setenv("POSTRIDER_KAFKA_EMBEDDED_LISTEN", addresses[2])
	e.Values[processesKey{}] = processes{}
	e.Values[targetKey{}] = &scriptTarget{}
	e.Values[memberKey{}] = &[]*member{}
	return os.WriteFile(filepath.Join(e.WorkDir, "event.v1.schema.json"), schemas.Event(), 0o600)
}

// cmdSame compares two files after normalise.
func cmdSame(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: same FILE WANT")
	}
	got, want := normalise(ts.ReadFile(args[0])), normalise(ts.ReadFile(args[1]))
	if got != want {
		ts.Fatalf("%s is not as %s, after normalising:\n--- got\n%s\n--- want\n%s", args[0], args[1], got, want)
	}
}

// cmdPrivate checks a file's permissions.
func cmdPrivate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: private FILE")
	}
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if mode := info.Mode().Perm(); mode != 0o600 {
		ts.Fatalf("%s has mode %o, want 600", args[0], mode)
	}
}

// cmdSecrets checks that none of the generated secrets is in the files.
func cmdSecrets(ts *testscript.TestScript, neg bool, args []string) {
	found := generatedSecret.FindAllStringSubmatch(ts.ReadFile("data/sources.yaml"), -1)
	if neg || len(args) == 0 || len(found) != 3 {
		ts.Fatalf("usage: secrets FILE...; %d generated secrets", len(found))
	}
	for _, file := range args {
		text := []byte(ts.ReadFile(file))
		for _, secret := range found {
			if bytes.Contains(text, []byte(secret[1])) {
				ts.Fatalf("%s holds a secret", file)
			}
		}
	}
}
