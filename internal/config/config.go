// Package config is the configuration: one YAML file, an environment overlay
// and secrets from files, decoded strictly. Load reports every problem at once,
// each with its place (file, line and key, or environment variable) and what to
// do about it; an unknown key is a problem.
//
// Relative paths are taken from the configuration file's folder.
package config

import (
	"net/netip"
	"time"

	"github.com/postrider/postrider/internal/mapspec"
)

// Config is the whole configuration with defaults filled in.
type Config struct {
	Server     Server     `yaml:"server"`
	Admin      Admin      `yaml:"admin"`
	Kafka      Kafka      `yaml:"kafka"`
	Spool      Spool      `yaml:"spool"`
	Dedupe     Dedupe     `yaml:"dedupe"`
	Quarantine Quarantine `yaml:"quarantine"`
	Replay     Replay     `yaml:"replay"`
	Forward    Forward    `yaml:"forward"`
	Log        Log        `yaml:"log"`
	PII        PII        `yaml:"pii"`
	Sources    []Source   `yaml:"sources"`

	// File is the file that was read; "" when there was none.
	File string `yaml:"-"`
	// Dir is the folder that relative paths are taken from.
	Dir string `yaml:"-"`
	// SourcesGiven says that `sources` is in the configuration; when it is not,
	// the three seed providers get generated sources (see package app).
	SourcesGiven bool `yaml:"-"`
	// Notices are things that are accepted but worth saying.
	Notices []string `yaml:"-"`

	places map[string]string // where each key was given
	hidden map[string]bool   // keys whose value came from ${NAME} and is not shown
	texts  map[string]text   // where the text of expressions stands
}

// Server is the public listener: webhooks only.
type Server struct {
	Listen            string         `yaml:"listen"`              // host:port
	PublicURL         string         `yaml:"public_url"`          // how providers reach it; "" means http://<listen>
	TrustedProxies    []netip.Prefix `yaml:"trusted_proxies"`     // whose X-Forwarded-For is believed
	MaxBodyBytes      int64          `yaml:"max_body_bytes"`      // as received
	MaxInflatedBytes  int64          `yaml:"max_inflated_bytes"`  // after gzip
	MaxBufferedBytes  int64          `yaml:"max_buffered_bytes"`  // bodies held in memory at once, all requests together
	MaxConcurrent     int            `yaml:"max_concurrent"`      // requests in progress; beyond it 429 before the body is read
	MaxConnections    int            `yaml:"max_connections"`     // open connections
	MaxHeaderBytes    int            `yaml:"max_header_bytes"`    // request line and headers
	ReadHeaderTimeout time.Duration  `yaml:"read_header_timeout"` // slow headers
	ReadTimeout       time.Duration  `yaml:"read_timeout"`        // headers and body
	WriteTimeout      time.Duration  `yaml:"write_timeout"`       // answer
	IdleTimeout       time.Duration  `yaml:"idle_timeout"`        // keep-alive
	DrainDelay        time.Duration  `yaml:"drain_delay"`         // SIGTERM to closing the listener, for load balancers
	ShutdownTimeout   time.Duration  `yaml:"shutdown_timeout"`    // finishing accepted requests
	RetryAfter        time.Duration  `yaml:"retry_after"`         // Retry-After of 429 and 503
}

// Admin is the listener for health, metrics and the admin API.
type Admin struct {
	Listen string       `yaml:"listen"`
	Tokens []AdminToken `yaml:"tokens"` // who may use the API; empty: nobody
}

// The roles of an AdminToken, each with the rights of those before it.
const (
	RoleRead   = "read"
	RoleReplay = "replay"
	RoleAdmin  = "admin"
)

// Roles returns the roles of tokens, the one with the fewest rights first.
func Roles() []string { return []string{RoleRead, RoleReplay, RoleAdmin} }

// AdminToken lets its bearer use the admin API. Exactly one of Value and File is
// given; once loaded, Value is set.
type AdminToken struct {
	ID    string `yaml:"id"`   // whom the API's actions are recorded under
	Role  string `yaml:"role"` // read | replay | admin
	Value Secret `yaml:"value"`
	File  string `yaml:"file"`
}

// Kafka is the cluster, or the broker inside the process.
type Kafka struct {
	Brokers  []string `yaml:"brokers"` // host:port; empty selects the embedded broker
	ClientID string   `yaml:"client_id"`
	Embedded Embedded `yaml:"embedded"`
	TLS      TLS      `yaml:"tls"`
	SASL     SASL     `yaml:"sasl"`
	Topics   Topics   `yaml:"topics"`
	Publish  Publish  `yaml:"publish"`
}

// Embedded is the broker inside the process.
type Embedded struct {
	Enabled      *bool  `yaml:"enabled"` // nil: only while server.listen is a loopback address
	Listen       string `yaml:"listen"`
	Dir          string `yaml:"dir"`
	Sync         bool   `yaml:"sync"`          // fsync before an acknowledgement
	MaxBytes     int64  `yaml:"max_bytes"`     // retention.bytes of each partition
	SegmentBytes int64  `yaml:"segment_bytes"` // segment.bytes of each partition
}

// TLS towards the brokers.
type TLS struct {
	Enabled    bool   `yaml:"enabled"`
	CAFile     string `yaml:"ca_file"`     // PEM; "" uses the system's roots
	CertFile   string `yaml:"cert_file"`   // PEM, for mutual TLS
	KeyFile    string `yaml:"key_file"`    // PEM, for mutual TLS
	ServerName string `yaml:"server_name"` // overrides the broker's host name for verification
}

// SASL towards the brokers.
type SASL struct {
	Mechanism      string `yaml:"mechanism"` // "", PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, AWS_MSK_IAM
	Username       string `yaml:"username"`
	Password       Secret `yaml:"password"`
	PasswordFile   string `yaml:"password_file"`
	AllowPlaintext bool   `yaml:"allow_plaintext"` // SASL without TLS
	Region         string `yaml:"region"`          // AWS_MSK_IAM: the cluster's AWS region
}

// Topics says which topics there are and how they are made.
type Topics struct {
	Prefix          string    `yaml:"prefix"`
	Partitions      int       `yaml:"partitions"`
	Replication     int       `yaml:"replication"` // 0: the cluster's default
	Create          string    `yaml:"create"`      // missing | never
	Retention       Retention `yaml:"retention"`
	MaxMessageBytes int       `yaml:"max_message_bytes"` // of the raw and dead-letter topics
	Key             string    `yaml:"key"`               // message | recipient | event
	Templates       Templates `yaml:"templates"`
	All             bool      `yaml:"all"` // also publish every event to <prefix>.all
}

// Retention of topics this software creates.
type Retention struct {
	Typed      time.Duration `yaml:"typed"`
	Raw        time.Duration `yaml:"raw"`
	Deadletter time.Duration `yaml:"deadletter"`
}

// Templates name topics. Placeholders: {prefix} {direction} {family} {type}.
type Templates struct {
	Outbound   string `yaml:"outbound"`
	Inbound    string `yaml:"inbound"`
	Raw        string `yaml:"raw"`
	Deadletter string `yaml:"deadletter"`
	All        string `yaml:"all"`
	Seen       string `yaml:"seen"`
	Replays    string `yaml:"replays"`
}

// Publish bounds the publisher.
type Publish struct {
	Budget           time.Duration `yaml:"budget"`              // from the complete body to every acknowledgement
	MaxInFlightBytes int64         `yaml:"max_in_flight_bytes"` // records held for publishing, all together
	MaxBatchBytes    int           `yaml:"max_batch_bytes"`     // one record batch, before it is compressed
	Compression      string        `yaml:"compression"`         // none | gzip | snappy | lz4 | zstd; not for the embedded broker
}

// Spool is the folder on this machine's disk where accepted events wait while
// Kafka does not take them.
type Spool struct {
	Dir          string        `yaml:"dir"`
	MaxBytes     int64         `yaml:"max_bytes"`     // beyond it nothing more is taken
	MinFree      int64         `yaml:"min_free"`      // bytes of the disk that are left to others
	SegmentBytes int64         `yaml:"segment_bytes"` // one file, the unit in which delivered records are deleted
	DrainTimeout time.Duration `yaml:"drain_timeout"` // at a stop: how long to go on publishing what is left
}

// Dedupe is how repeats are recognised.
type Dedupe struct {
	Window time.Duration `yaml:"window"`  // how long an event's id is remembered
	MaxIDs int           `yaml:"max_ids"` // beyond it the oldest are forgotten
	Share  bool          `yaml:"share"`   // follow what other receivers on the cluster have seen
}

// Quarantine is the folder that keeps requests whose proof failed, for a while.
type Quarantine struct {
	Enabled  bool          `yaml:"enabled"`
	Dir      string        `yaml:"dir"`
	MaxBytes int64         `yaml:"max_bytes"` // beyond it the oldest are deleted
	Keep     time.Duration `yaml:"keep"`      // older ones are deleted
}

// Replay is what replays may do.
type Replay struct {
	ConfirmAbove int            `yaml:"confirm_above"` // records beyond which executing a plan asks first
	Targets      []ReplayTarget `yaml:"targets"`
}

// ReplayTarget is an HTTP endpoint that replays deliver to, by its name.
type ReplayTarget struct {
	Name    string          `yaml:"name"`
	URL     string          `yaml:"url"`
	Secrets []SigningSecret `yaml:"secrets"` // sign by Standard Webhooks; empty: requests are not signed
	Allow   []netip.Prefix  `yaml:"allow"`   // addresses that are not public and may be called all the same
}

// SigningSecret is one secret that requests to a target are signed with: base64,
// after an optional "whsec_". Exactly one of Value and File is given; once loaded,
// Value is set.
type SigningSecret struct {
	ID       string    `yaml:"id"`
	Value    Secret    `yaml:"value"`
	File     string    `yaml:"file"`
	NotAfter time.Time `yaml:"not_after"` // RFC 3339; zero: no end
}

// Log is the logger.
type Log struct {
	Level  string `yaml:"level"`  // debug | info | warn | error
	Format string `yaml:"format"` // auto | json | console; auto is console on a terminal
}

// PII is what becomes of recipients' addresses.
type PII struct {
	Recipient  string `yaml:"recipient"` // clear | hash
	Pepper     Secret `yaml:"pepper"`    // key of recipient_hash
	PepperFile string `yaml:"pepper_file"`
}

// Source is one configured endpoint: POST /v1/webhooks/{name}.
type Source struct {
	Name          string            `yaml:"name"`
	ID            string            `yaml:"id"` // part of every event id; default: the name
	Provider      string            `yaml:"provider"`
	Auth          Auth              `yaml:"auth"`
	Allow         []netip.Prefix    `yaml:"allow"` // client addresses; empty allows all
	Query         Query             `yaml:"query"`
	Options       map[string]string `yaml:"options"`
	Mapping       *mapspec.Spec     `yaml:"mapping"`        // provider mapping: what the provider's requests say
	MappingFile   string            `yaml:"mapping_file"`   // file with it, in place of mapping; once loaded, Mapping is set
	RefusedStatus int               `yaml:"refused_status"` // answer to a bad proof; 0: what the provider needs, mostly 401
	MaxBodyBytes  int64             `yaml:"max_body_bytes"` // 0: server.max_body_bytes
	Dedupe        string            `yaml:"dedupe"`         // drop (default) | mark | off
	DedupeWindow  time.Duration     `yaml:"dedupe_window"`  // 0: dedupe.window, which it may not exceed
	Durability    string            `yaml:"durability"`     // broker | broker_then_spool (default) | spool_first
	Shadow        Shadow            `yaml:"shadow"`         // a second way of judging requests that is compared and never published
}

// Query says which parameters of the callback URL mean something.
type Query struct {
	Recipient string   `yaml:"recipient"` // parameter that names the recipient
	Metadata  []string `yaml:"metadata"`  // parameters copied to metadata
}

// Auth is how requests to a source are proven.
type Auth struct {
	Type    string      `yaml:"type"` // of Options.AuthTypes: jetemail | hmac | standard_webhooks | basic | bearer | header | token | none | a provider's own
	Secrets []KeySecret `yaml:"secrets"`

	Header    string        `yaml:"header"`    // hmac: signature header; header: the header's name
	Algorithm string        `yaml:"algorithm"` // hmac: sha256 | sha1 | sha512; postal: sha256 | sha1
	Prefix    string        `yaml:"prefix"`    // hmac: before the signature, e.g. "sha256="
	Encoding  string        `yaml:"encoding"`  // hmac: hex | base64
	Template  string        `yaml:"template"`  // hmac: signed string from {body} {url} {timestamp} {id} {header:X}
	Timestamp string        `yaml:"timestamp"` // hmac: header with unix seconds
	IDHeader  string        `yaml:"id_header"` // hmac: header with the webhook's id
	Tolerance time.Duration `yaml:"tolerance"` // types that sign a time: how far it may be off
	Decode    string        `yaml:"decode"`    // hmac: how the secret is written: raw | base64 | hex | whsec
	URL       string        `yaml:"url"`       // mandrill: the address as it was entered at the provider
	Topics    []string      `yaml:"topics"`    // sns: ARNs of the topics that are taken
}

// KeySecret is one secret of a source. Exactly one of Value and File is given;
// for basic, Username too (and Password or PasswordFile instead of Value).
type KeySecret struct {
	ID           string    `yaml:"id"`
	Value        Secret    `yaml:"value"`
	File         string    `yaml:"file"`
	Username     string    `yaml:"username"`
	Password     Secret    `yaml:"password"`
	PasswordFile string    `yaml:"password_file"`
	NotAfter     time.Time `yaml:"not_after"` // RFC 3339; zero: no end
}

// Secret is a string that does not print: every formatting and marshalling
// shows only whether it is set.
type Secret string

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return s.String() }

// MarshalText implements encoding.TextMarshaler, which JSON, YAML and zap use.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }
