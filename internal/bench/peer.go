package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Names of the peers.
const (
	targetOTel     = "otel"
	targetCamel    = "camel"
	targetTelegraf = "telegraf"
)

// Versions of the peers; those of the collector and of Camel stand in the files of their
// folders too.
const (
	versionOTel     = "0.155.0"
	versionCamel    = "4.18.0"
	versionTelegraf = "1.37.2"
)

// telegrafTags leave out of Telegraf what is not measured.
const telegrafTags = "custom,inputs.http_listener_v2,outputs.kafka,parsers.value,parsers.json,serializers.json,serializers.influx,serializers.template"

// peer is somebody else's program that takes events by HTTP and writes them to Kafka. Its
// settings are files in a folder of internal/bench/peers, with ${LISTEN}, ${PORT},
// ${BROKERS}, ${BROKER_LIST} (quoted) and ${TOPIC} where those belong.
type peer struct {
	name    string
	title   string
	answers string // what it waits for before it answers
	// install fetches and builds it through a package manager, into the folder of a
	// cache; what is there already is used again.
	install func(ctx context.Context, sources, cache string) error
	// command starts it in a folder with its settings.
	command func(cache, dir string) []string
	late    bool          // it answers before Kafka has the event
	warm    time.Duration // of load until its machine code is what it will be
}

// peers are all of them.
func peers() []peer {
	return []peer{
		{
			name: targetOTel, title: "OpenTelemetry Collector " + versionOTel + ", OTLP over HTTP to the Kafka exporter, no queue", answers: "after acks=all",
			install: func(ctx context.Context, sources, cache string) error {
				return tool(ctx, sources, nil, "go", "build", "-trimpath", "-o", filepath.Join(cache, "otel"), ".")
			},
			command: func(cache, dir string) []string {
				return []string{filepath.Join(cache, "otel"), "--config", filepath.Join(dir, "config.yaml")}
			},
			warm: briefWarmth,
		},
		{
			name: targetCamel, title: "Apache Camel " + versionCamel + ", platform-http to Kafka", answers: "after acks=all",
			install: func(ctx context.Context, sources, cache string) error {
				return once(cache, func() error {
					return tool(ctx, sources, nil, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+filepath.Join(cache, "lib"))
				})
			},
			command: func(cache, _ string) []string {
				return []string{"java", "-Xmx512m", "-XX:+UseG1GC", "-cp", filepath.Join(cache, "lib", "*") + ":.", "org.apache.camel.main.Main"}
			},
			warm: javaWarmth,
		},
		{
			name: targetTelegraf, title: "Telegraf " + versionTelegraf + ", http_listener_v2 to Kafka, flushed every second", answers: "before Kafka has anything", late: true,
			install: func(ctx context.Context, sources, cache string) error {
				return once(cache, func() error {
					return tool(ctx, sources, []string{"GOBIN=" + cache, "GOFLAGS="}, "go", "install", "-trimpath", "-tags", telegrafTags, "github.com/influxdata/telegraf/cmd/telegraf@v"+versionTelegraf)
				})
			},
			command: func(cache, dir string) []string {
				return []string{filepath.Join(cache, "telegraf"), "--config", filepath.Join(dir, "telegraf.conf")}
			},
			warm: briefWarmth,
		},
	}
}

// How long a target is under load before the first round.
const (
	briefWarmth = 3 * time.Second
	javaWarmth  = 20 * time.Second
)

// once runs a slow step that leaves files in a cache, unless it has been run to its end.
func once(cache string, step func() error) error {
	done := filepath.Join(cache, ".complete")
	if _, err := os.Stat(done); err == nil {
		return nil
	}
	if err := step(); err != nil {
		return err
	}
	if err := os.WriteFile(done, nil, 0o600); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}

// tool runs a package manager in a folder; an error holds the end of what it said.
func tool(ctx context.Context, dir string, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, lastLine(out))
	}
	return nil
}

// lastLine is the last line of a program's output that says something.
func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// place is where and how a peer is started.
type place struct {
	sources string // folder of internal/bench/peers
	cache   string // folder of what was installed
	dir     string // folder for the run
	listen  string // host:port
	brokers []string
	topic   string
}

// settle writes the peer's settings into the folder of the run.
func (p place) settle(name string) error {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return fmt.Errorf("bench: %s: %w", name, err)
	}
	return fs.WalkDir(os.DirFS(filepath.Join(p.sources, name)), ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(file, "go.") || strings.HasSuffix(file, ".go") {
			return err
		}
		b, err := os.ReadFile(filepath.Join(p.sources, name, file))
		if err != nil {
			return fmt.Errorf("bench: %s: %w", name, err)
		}
		return os.WriteFile(filepath.Join(p.dir, file), []byte(p.fill(string(b))), 0o600)
	})
}

// fill puts the values in.
func (p place) fill(text string) string {
	_, port, _ := net.SplitHostPort(p.listen)
	values := map[string]string{
		"LISTEN": p.listen, "PORT": port, "TOPIC": p.topic,
		"BROKERS": strings.Join(p.brokers, ","), "BROKER_LIST": `"` + strings.Join(p.brokers, `", "`) + `"`,
	}
	for name, value := range values {
		text = strings.ReplaceAll(text, "${"+name+"}", value)
	}
	return text
}

// start writes the settings and says how to start the peer.
func (p peer) start(at place) (command, error) {
	if err := at.settle(p.name); err != nil {
		return command{}, err
	}
	words := p.command(filepath.Join(at.cache, p.name), at.dir)
	path, err := exec.LookPath(words[0])
	if err != nil {
		return command{}, fmt.Errorf("bench: %s: %w", p.name, err)
	}
	return command{path: path, args: words[1:], env: os.Environ(), dir: at.dir, listen: at.listen, foreign: true, logFile: filepath.Join(at.dir, "output.log")}, nil
}

// available installs the peers that are asked for. What cannot be installed here is
// left out, and why is said.
func available(ctx context.Context, names []string, sources, cache string, tell func(string)) (found []peer, missing []string, err error) {
	for _, p := range peers() {
		if !slices.Contains(names, p.name) {
			continue
		}
		tell("installing " + p.name + " (the first time takes minutes)")
		folder := filepath.Join(cache, p.name)
		err := os.MkdirAll(folder, 0o700)
		if err == nil {
			err = p.install(ctx, filepath.Join(sources, p.name), folder)
		}
		if ctx.Err() != nil {
			return nil, nil, fmt.Errorf("bench: stopped: %w", ctx.Err())
		}
		if err != nil {
			missing = append(missing, fmt.Sprintf("%s: not installable here: %v", p.name, err))
			continue
		}
		found = append(found, p)
	}
	return found, missing, nil
}

// Where ports are looked for: below those that systems give to outgoing connections. One
// of these could be taken by the load that waits for a program to come back.
const (
	firstPort = 20_000
	lastPort  = 30_000
	portTries = 100
)

// freePort is an address of this machine that nothing listens on, nor on the port behind
// it.
func freePort(ctx context.Context) (string, error) {
	var err error
	for range portTries {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if err = errors.Join(listens(ctx, port), listens(ctx, port+1)); err == nil {
			return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), nil
		}
	}
	return "", fmt.Errorf("bench: free port: %w", err)
}

// listens tries whether a port can be listened on.
func listens(ctx context.Context, port int) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err //nolint:wrapcheck // freePort names it
	}
	return l.Close() //nolint:wrapcheck // see above
}
