package config

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/pkg/event"
)

func (v *validator) kafka() {
	k := &v.cfg.Kafka
	v.brokers(k)
	v.embedded(&k.Embedded)
	v.tls(&k.TLS)
	v.sasl(&k.SASL)
	v.budget(k.Publish.Budget)
	v.atLeast("kafka.publish.max_batch_bytes", int64(k.Publish.MaxBatchBytes), kibibyte, "1KiB")
	v.oneOf("kafka.publish.compression", "compression", k.Publish.Compression, "none", "gzip", "snappy", "lz4", "zstd")
	if k.Publish.MaxInFlightBytes < int64(k.Publish.MaxBatchBytes) {
		v.bad("kafka.publish.max_in_flight_bytes", "is less than kafka.publish.max_batch_bytes", "")
	}
	if k.ClientID == "" {
		v.bad("kafka.client_id", "the client id is missing", "")
	}
}

// mostBudget is the longest publish budget that suits every provider: some wait
// 3 s for the answer, and storing what Kafka did not take, the network and TLS
// have their share of that.
const mostBudget = 2100 * time.Millisecond

func (v *validator) budget(d time.Duration) {
	v.positive("kafka.publish.budget", d)
	if d > mostBudget {
		v.cfg.notice("kafka.publish.budget", formatDuration(d)+" is long: some providers wait 3s for the answer, and send again what was only late; "+
			"2s leaves time for the spool and the network")
	}
}

// brokers checks the addresses of the cluster.
func (v *validator) brokers(k *Kafka) {
	v.brokerChoice(k)
	seen := map[string]bool{}
	for i, broker := range k.Brokers {
		path := indexPath("kafka.brokers", i)
		v.broker(path, broker)
		if seen[broker] && broker != "" {
			v.bad(path, v.value(path, broker)+"the broker is named twice", "")
		}
		seen[broker] = true
	}
}

// brokerChoice checks that it is clear which broker is meant: the one inside the
// process is never chosen silently on a public address.
func (v *validator) brokerChoice(k *Kafka) {
	enabled := k.Embedded.Enabled
	switch {
	case len(k.Brokers) > 0 && enabled != nil && *enabled:
		v.bad("kafka.embedded.enabled", "true, but kafka.brokers names a cluster", "remove one of the two")
	case len(k.Brokers) == 0 && enabled != nil && !*enabled:
		v.bad("kafka.brokers", "is empty, and kafka.embedded.enabled is false", "name the cluster's brokers")
	case len(k.Brokers) == 0 && enabled == nil && v.validAddress(v.cfg.Server.Listen) && !isLoopback(v.cfg.Server.Listen):
		v.bad("kafka.brokers", "is empty, which selects the embedded broker only while server.listen is a loopback address",
			"name the cluster's brokers, or write kafka.embedded.enabled: true")
	}
}

func (v *validator) broker(path, broker string) {
	host, port, err := net.SplitHostPort(broker)
	switch {
	case err != nil && !strings.ContainsAny(broker, ":/@ "):
		v.bad(path, v.value(path, broker)+"the port is missing", "write host:port, e.g. "+quoteHost(v, path, broker)+":9092")
	case err != nil || host == "" || strings.ContainsAny(host, "/@ "):
		v.bad(path, v.value(path, broker)+"not a broker's address", "write host:port, without a scheme")
	case !validPort(port, 1):
		v.bad(path, v.value(path, broker)+"the port is not a number from 1 to 65535", "")
	}
}

func quoteHost(v *validator, path, host string) string {
	if v.cfg.hidden[path] {
		return "host"
	}
	return clip(host)
}

func validPort(port string, least int) bool {
	n, err := strconv.Atoi(port)
	return err == nil && n >= least && n <= math.MaxUint16
}

// validAddress reports whether text is host:port; port 0 lets the system choose.
func (v *validator) validAddress(text string) bool {
	_, port, err := net.SplitHostPort(text)
	return err == nil && validPort(port, 0)
}

func (v *validator) listen(path, text string) {
	host, port, err := net.SplitHostPort(text)
	switch {
	case err != nil || strings.ContainsAny(host, "/@ "):
		v.bad(path, v.value(path, text)+"not an address to listen on", "write host:port, e.g. 127.0.0.1:8080, or :8080 for every interface")
	case !validPort(port, 0):
		v.bad(path, v.value(path, text)+"the port is not a number from 0 to 65535", "")
	}
}

// listeners checks that no two listeners want the same port.
func (v *validator) listeners() {
	type listener struct{ path, address string }
	all := []listener{{"server.listen", v.cfg.Server.Listen}, {"admin.listen", v.cfg.Admin.Listen}}
	if v.cfg.EmbeddedBroker() {
		all = append(all, listener{"kafka.embedded.listen", v.cfg.Kafka.Embedded.Listen})
	}
	if len(v.cfg.Forward.Subscriptions) > 0 {
		all = append(all, listener{"forward.listen", v.cfg.Forward.Listen})
	}
	for i, b := range all {
		for _, a := range all[:i] {
			if sameSocket(a.address, b.address) {
				v.bad(b.path, "wants the same port as "+a.path, "choose another")
			}
		}
	}
}

// sameSocket reports whether two listen addresses exclude each other.
func sameSocket(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	return hostA == hostB || anyHost(hostA) || anyHost(hostB)
}

func anyHost(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "" || err == nil && addr.IsUnspecified()
}

func (v *validator) embedded(e *Embedded) {
	v.listen("kafka.embedded.listen", e.Listen)
	v.atLeast("kafka.embedded.segment_bytes", e.SegmentBytes, mebibyte, "1MiB")
	if e.MaxBytes < e.SegmentBytes {
		v.bad("kafka.embedded.max_bytes", "is less than kafka.embedded.segment_bytes", "")
	}
	if e.Dir == "" {
		v.bad("kafka.embedded.dir", "the folder is missing", "")
	}
	if v.cfg.EmbeddedBroker() && v.validAddress(e.Listen) && !isLoopback(e.Listen) {
		v.cfg.notice("kafka.embedded.listen", "the embedded broker has no authentication: whoever reaches this address reads and writes every topic")
	}
}

func (v *validator) tls(t *TLS) {
	if (t.CertFile == "") != (t.KeyFile == "") {
		v.bad("kafka.tls", "cert_file and key_file belong together", "give both for mutual TLS, or neither")
	}
	given := t.CAFile + t.CertFile + t.KeyFile + t.ServerName
	if !t.Enabled && given != "" && len(v.cfg.Kafka.Brokers) > 0 {
		v.cfg.notice("kafka.tls.enabled", "false: the other keys of kafka.tls have no effect, and nothing is encrypted")
	}
}

func (v *validator) sasl(s *SASL) {
	const path = "kafka.sasl"
	named := s.Username != "" || s.Password != "" || s.PasswordFile != ""
	switch s.Mechanism {
	case "":
		if named {
			v.bad(path+".mechanism", "the mechanism is missing", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
		}
		return
	case "AWS_MSK_IAM":
		v.iam(path, s, named)
		return
	}
	v.oneOf(path+".mechanism", "mechanism", s.Mechanism, "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "AWS_MSK_IAM")
	if s.Region != "" {
		v.bad(path+".region", "does not belong to mechanism "+clip(s.Mechanism), "it is AWS_MSK_IAM's")
	}
	if s.Username == "" {
		v.bad(path+".username", "the user name is missing", "")
	}
	if s.Password == "" && s.PasswordFile == "" {
		v.bad(path+".password", "the password is missing", "set kafka.sasl.password_file or kafka.sasl.password")
	}
	if !v.cfg.Kafka.TLS.Enabled && !s.AllowPlaintext {
		v.bad(path, "SASL without TLS sends the password or its proof readable", "set kafka.tls.enabled: true, or write kafka.sasl.allow_plaintext: true")
	}
}

// iam checks the login to Amazon MSK, whose credentials are the machine's own:
// https://docs.aws.amazon.com/msk/latest/developerguide/iam-access-control.html.
func (v *validator) iam(path string, s *SASL, named bool) {
	if s.Region == "" {
		v.bad(path+".region", "the AWS region is missing", "e.g. eu-central-1")
	}
	if named {
		v.bad(path, "user name and password do not belong to mechanism AWS_MSK_IAM", "it takes the machine's AWS credentials")
	}
	if !v.cfg.Kafka.TLS.Enabled {
		v.bad(path, "AWS_MSK_IAM needs TLS", "set kafka.tls.enabled: true")
	}
}

var (
	topicName   = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)
	placeholder = regexp.MustCompile(`\{[^{}]*\}?|\}`)
)

func (v *validator) topics() {
	t := &v.cfg.Kafka.Topics
	v.oneOf("kafka.topics.create", "way to create topics", t.Create, "missing", "never")
	v.oneOf("kafka.topics.key", "record key", t.Key, "message", "recipient", "event")
	v.atLeast("kafka.topics.partitions", int64(t.Partitions), 1, "1")
	v.atLeast("kafka.topics.max_message_bytes", int64(t.MaxMessageBytes), mebibyte, "1MiB")
	if t.Replication < 0 || t.Replication > math.MaxInt16 {
		v.bad("kafka.topics.replication", "must be from 0 to 32767", "0 takes the cluster's default")
	}
	v.positive("kafka.topics.retention.typed", t.Retention.Typed)
	v.positive("kafka.topics.retention.raw", t.Retention.Raw)
	v.positive("kafka.topics.retention.deadletter", t.Retention.Deadletter)
	if !topicName.MatchString(t.Prefix) {
		v.bad("kafka.topics.prefix", v.value("kafka.topics.prefix", t.Prefix)+"not a topic's prefix", "use letters, digits, dots, underscores and dashes")
		return
	}
	if v.templates(&t.Templates) {
		v.topicNames(t)
	}
}

// templates checks the placeholders; what it accepts can be named.
func (v *validator) templates(t *Templates) bool {
	before := v.problems.Len()
	typed := []string{"{prefix}", "{direction}", "{family}", "{type}"}
	v.template("outbound", t.Outbound, "{type}", typed...)
	v.template("inbound", t.Inbound, "{type}", typed...)
	v.template("raw", t.Raw, "", "{prefix}")
	v.template("deadletter", t.Deadletter, "", "{prefix}")
	v.template("all", t.All, "", "{prefix}")
	v.template("seen", t.Seen, "", "{prefix}")
	v.template("replays", t.Replays, "", "{prefix}")
	return v.problems.Len() == before
}

func (v *validator) template(key, text, needed string, known ...string) {
	path := "kafka.topics.templates." + key
	if !strings.Contains(text, needed) {
		v.bad(path, v.value(path, text)+"must contain "+needed, "otherwise different types would share a topic")
		return
	}
	for _, p := range placeholder.FindAllString(text, -1) {
		if !v.oneOf(path, "placeholder", p, known...) {
			return
		}
	}
}

// topicNames names every topic there can be and checks that each is legal and
// means one thing.
func (v *validator) topicNames(t *Topics) {
	const path = "kafka.topics.templates."
	owner := map[string]string{}
	reported := map[string]bool{}
	claim := func(key, name, what string) {
		switch other := owner[name]; {
		case reported[key]:
		case !topicName.MatchString(name) || name == "." || name == "..":
			reported[key] = true
			v.bad(path+key, fmt.Sprintf("makes %q, which is no legal topic name", clip(name)), "letters, digits, dots, underscores and dashes, at most 249")
		case other != "":
			reported[key] = true
			v.bad(path+key, fmt.Sprintf("makes %q for %s and for %s", clip(name), other, what), "give each its own topic")
		}
		owner[name] = what
	}
	for _, typ := range event.Types() {
		claim("outbound", t.Outbound(string(typ), string(typ.Family())), "outbound "+string(typ)+" events")
	}
	for _, typ := range event.Types() {
		claim("inbound", t.Inbound(string(typ), string(typ.Family())), "inbound "+string(typ)+" events")
	}
	claim("raw", t.Raw(), "raw requests")
	claim("deadletter", t.Deadletter(), "dead letters")
	claim("all", t.AllEvents(), "all events")
	claim("seen", t.Seen(), "the ids that were seen")
	claim("replays", t.Replays(), "the runs of replays")
}
