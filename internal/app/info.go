package app

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/postrider/postrider/internal/config"
)

// Info is where things are, for a person and for tests.
type Info struct {
	Version       string       `json:"version"`
	Listen        string       `json:"listen"` // address of the public listener
	Admin         string       `json:"admin"`  // address of the admin listener
	Kafka         string       `json:"kafka"`  // brokers
	Brokers       []string     `json:"brokers"`
	BrokerNotice  string       `json:"-"` // what the embedded broker is for and not for
	PublicURL     string       `json:"public_url"`
	Generated     bool         `json:"generated"` // sources and secrets were made just now
	GeneratedFile string       `json:"-"`
	Sources       []SourceInfo `json:"-"`
}

// SourceInfo is one source's address. URL and Secret hold secrets: they are for
// the operator's terminal only.
type SourceInfo struct {
	Name     string
	Provider string
	Auth     string
	URL      string // with the token, where the token is in the path
	Secret   string // the first secret, where the provider signs with it; "" otherwise
}

// describe fills in the sources.
func (i *Info) describe(cfg *config.Config, sources []*CompiledSource, created bool) {
	i.PublicURL = cfg.PublicURL()
	if cfg.Server.PublicURL == "" {
		i.PublicURL = "http://" + Reachable(i.Listen)
	}
	i.Generated, i.GeneratedFile = created, GeneratedFile(cfg)
	for _, s := range sources {
		i.Sources = append(i.Sources, s.Describe(i.PublicURL))
	}
}

// writeReadyFile writes Info where a test waits for it, atomically.
func writeReadyFile(path string, i Info) error {
	if path == "" {
		return nil
	}
	b, err := json.Marshal(i)
	if err != nil {
		return fmt.Errorf("app: ready file: %w", err)
	}
	tmp := filepath.Join(filepath.Dir(path), ".ready")
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return fmt.Errorf("app: ready file: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("app: ready file: %w", err)
	}
	return nil
}

// Reachable turns a listen address into one to connect to from this machine: an
// unspecified host is this machine.
func Reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
