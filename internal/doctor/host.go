package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/internal/app"
)

// readSome reads a short body.
func readSome(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	return b, nil
}

// answer is what a receiver says at /readyz, as far as it matters here.
type answer struct {
	Status   string    `json:"status"`
	Reasons  []string  `json:"reasons"`
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`
	Instance string    `json:"instance"`
}

// receiver asks the admin listener whether our own receiver runs here.
func (e *examination) receiver(ctx context.Context) {
	address := app.Reachable(e.Config.Admin.Listen)
	res, err := get(ctx, "http://"+address+"/readyz")
	if err != nil {
		return // nobody there; the ports are looked at next
	}
	var s answer
	if json.Unmarshal(res.body, &s) != nil || !slices.Contains([]string{"ready", "degraded", "not_ready"}, s.Status) {
		return // somebody else
	}
	if s.Instance != "" && s.Instance != app.Instance(e.Config) {
		e.other = true
		e.found("receiver", Warn, "run this with the --config, the environment and in the folder of that receiver, or set admin.listen to another address",
			"the receiver on %s is another installation, or has another configuration", address)
		return
	}
	e.running = true
	e.readiness(&s, res.status, address)
	e.outdated(s.Started)
}

// readiness reports what the receiver says of itself.
func (e *examination) readiness(s *answer, code int, address string) {
	if s.Status == "ready" && code == http.StatusOK {
		e.found("receiver", OK, "", "runs and is ready (version %s, admin listener %s)", s.Version, address)
		return
	}
	status := Warn
	if code != http.StatusOK {
		status = Fail
	}
	e.found("receiver", status, "", "runs, but is %s: %s", strings.ReplaceAll(s.Status, "_", " "), strings.Join(s.Reasons, "; "))
}

// outdated reports a configuration file that was written after the receiver
// started: it is read at start only.
func (e *examination) outdated(started time.Time) {
	if e.Config.File == "" || started.IsZero() {
		return
	}
	info, err := os.Stat(e.Config.File)
	if err != nil || !info.ModTime().After(started) {
		return
	}
	e.found("receiver", Warn, "restart it: the configuration is read at start only",
		"runs since %s; %s was changed after that, at %s", started.UTC().Format(time.RFC3339), e.Config.File, info.ModTime().UTC().Format(time.RFC3339))
}

// ports looks whether the receiver has its ports or could take them.
func (e *examination) ports(ctx context.Context) {
	listens := []struct{ key, address string }{
		{"server.listen", e.Config.Server.Listen}, {"admin.listen", e.Config.Admin.Listen},
	}
	if e.Config.EmbeddedBroker() {
		listens = append(listens, struct{ key, address string }{"kafka.embedded.listen", e.Config.Kafka.Embedded.Listen})
	}
	for _, l := range listens {
		e.port(ctx, l.key, l.address)
	}
}

// port examines one listen address.
func (e *examination) port(ctx context.Context, key, address string) {
	if e.running {
		conn, err := (&net.Dialer{Timeout: timeout}).DialContext(ctx, "tcp", app.Reachable(address))
		if err != nil {
			e.found("ports", Fail, "does the running receiver have another configuration? restart it", "%s: nobody listens on %s, though the receiver runs", key, address)
			return
		}
		_ = conn.Close()
		e.found("ports", OK, "", "%s: the running receiver listens on %s", key, address)
		return
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		e.found("ports", Fail, "stop the other program, or set "+key+" to another address", "%s: %s cannot be taken: %s", key, address, trimmed(err))
		return
	}
	_ = l.Close()
	e.found("ports", OK, "", "%s: %s is free", key, address)
}

// compareClocks holds the Date header of an answer against our clock. It is
// whole seconds, and as old as the answer was on its way.
func (e *examination) compareClocks(who string, date time.Time) {
	if date.IsZero() {
		return
	}
	const tolerated = 3 * time.Second
	off := e.Now().Sub(date)
	if off.Abs() <= tolerated {
		e.found("clock", OK, "", "agrees with the clock at %s to the second", who)
		return
	}
	e.found("clock", Warn, "synchronise both with NTP: signed times are compared with this clock",
		"is %s off from the clock at %s", off.Round(time.Second), who)
}

// clock asks the system whether something keeps the clock right.
func (e *examination) clock(context.Context) {
	synced, ok := clockSynced()
	e.clockState(synced, ok, inContainer())
}

// clockState reports whether the clock is kept right, as far as the kernel knows.
func (e *examination) clockState(synced, known, contained bool) {
	now := e.Now().UTC().Format(time.RFC3339)
	switch {
	case !known:
		e.found("clock", Note, "", "says %s; this system does not tell whether it is synchronised", now)
	case synced:
		e.found("clock", OK, "", "says %s and is synchronised", now)
	case contained:
		e.found("clock", Note, "", "says %s; the kernel does not tell a container whether it is synchronised: that is the host's matter", now)
	default:
		e.found("clock", Warn, "run an NTP client (chrony, systemd-timesyncd): signed times are compared with this clock",
			"says %s; the kernel does not know it to be synchronised", now)
	}
}

// inContainer reports whether a container engine started this process: Docker,
// Podman and Kubernetes leave these files.
func inContainer() bool {
	for _, mark := range []string{"/.dockerenv", "/run/.containerenv", "/var/run/secrets/kubernetes.io"} {
		if _, err := os.Stat(mark); err == nil {
			return true
		}
	}
	return false
}

// Least free space in the data folder; below leastFree the embedded broker soon
// cannot write.
const (
	leastFree = 256 << 20
	fewFree   = 2 << 30
)

// disk examines the data folder, where the embedded broker and generated secrets lie.
func (e *examination) disk(context.Context) {
	dir := app.DataDir(e.Config)
	there, missing := existing(dir)
	if err := writable(there); err != nil {
		e.found("disk", Fail, "give this user the right to write there, or set kafka.embedded.dir", "%s cannot be written to: %s", there, trimmed(err))
		return
	}
	what := dir
	if missing {
		what += " (made at the first start)"
	}
	v, ok := volumeOf(there)
	switch {
	case !ok:
		e.found("disk", Note, "", "%s can be written to; this system does not tell how much is free", what)
	case v.free < leastFree:
		e.found("disk", Fail, "free some, or set kafka.embedded.dir", "%s has only %d MiB free", what, v.free>>20)
	case v.free < fewFree:
		e.found("disk", Warn, "free some, or lower kafka.topics.retention", "%s has only %d MiB free", what, v.free>>20)
	default:
		e.found("disk", OK, "", "%s can be written to and has %d GiB free", what, v.free>>30)
	}
	if v.kind != "" && e.Config.EmbeddedBroker() {
		e.found("disk", Warn, "put a volume there, or use a Kafka cluster (kafka.brokers)",
			"%s lies on %s: the embedded broker's events do not outlive the container or the machine", dir, v.kind)
	}
}

// volume is what is known of a file system.
type volume struct {
	free uint64 // bytes
	kind string // "tmpfs" or "an overlay" if what is written there does not last
}

// existing is dir or the nearest folder above it that exists.
func existing(dir string) (there string, missing bool) {
	for {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir, missing
		}
		above := filepath.Dir(dir)
		if above == dir {
			return dir, missing
		}
		dir, missing = above, true
	}
}

// writable tries to make a file in dir, and removes it.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".postrider-doctor-*")
	if err != nil {
		return err //nolint:wrapcheck // becomes part of a sentence
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
