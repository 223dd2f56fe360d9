package config

import (
	"os"
	"runtime"
	"strings"
)

const maxSecretBytes = 64 * kibibyte

// secretKey is a secret that is given as a value or as a file.
type secretKey struct {
	path    string // of the group that holds both keys
	key     string // of the value
	fileKey string
	value   *Secret
	file    *string
}

// secretKeys returns every secret of the configuration.
func (c *Config) secretKeys() []secretKey {
	list := []secretKey{
		{"kafka.sasl", "password", "password_file", &c.Kafka.SASL.Password, &c.Kafka.SASL.PasswordFile},
		{"pii", "pepper", "pepper_file", &c.PII.Pepper, &c.PII.PepperFile},
	}
	for i := range c.Sources {
		path := indexPath("sources", i)
		list = append(list, c.Sources[i].Auth.secretKeys(path+".auth")...)
		list = append(list, c.Sources[i].Shadow.Auth.secretKeys(path+".shadow.auth")...)
	}
	return append(list, c.apiSecretKeys()...)
}

// secretKeys returns the secrets that requests are proven by.
func (a *Auth) secretKeys(path string) []secretKey {
	var list []secretKey
	for j := range a.Secrets {
		s, at := &a.Secrets[j], indexPath(path+".secrets", j)
		list = append(list,
			secretKey{at, "value", "file", &s.Value, &s.File},
			secretKey{at, "password", "password_file", &s.Password, &s.PasswordFile})
	}
	return list
}

// apiSecretKeys returns the secrets of the admin API, of replays and of subscriptions.
func (c *Config) apiSecretKeys() []secretKey {
	var list []secretKey
	for i := range c.Admin.Tokens {
		t := &c.Admin.Tokens[i]
		list = append(list, secretKey{indexPath("admin.tokens", i), "value", "file", &t.Value, &t.File})
	}
	for i := range c.Replay.Targets {
		for j := range c.Replay.Targets[i].Secrets {
			s := &c.Replay.Targets[i].Secrets[j]
			path := indexPath(indexPath("replay.targets", i)+".secrets", j)
			list = append(list, secretKey{path, "value", "file", &s.Value, &s.File})
		}
	}
	for i := range c.Forward.Subscriptions {
		for j := range c.Forward.Subscriptions[i].Secrets {
			s := &c.Forward.Subscriptions[i].Secrets[j]
			path := indexPath(indexPath("forward.subscriptions", i)+".secrets", j)
			list = append(list, secretKey{path, "value", "file", &s.Value, &s.File})
		}
	}
	return list
}

// secretFiles fills the values of secrets that lie in files.
func (l *loader) secretFiles() {
	for _, s := range l.cfg.secretKeys() {
		at := s.path + "." + s.fileKey
		switch {
		case *s.file == "":
		case *s.value != "":
			l.failed[at] = true
			l.problems.Add(at, l.cfg.Place(at), "both "+s.key+" and "+s.fileKey+" are given", "give one of them")
		default:
			l.secretFile(s, at)
		}
	}
}

func (l *loader) secretFile(s secretKey, at string) {
	fail := func(message, hint string) {
		l.failed[at] = true
		l.problems.Add(at, l.cfg.Place(at), message, hint)
	}
	data, err := l.read(*s.file)
	if err != nil {
		fail("cannot read the secret file "+*s.file+": "+plainError(err), "")
		return
	}
	text := strings.TrimSpace(string(data))
	switch {
	case text == "":
		fail("the secret file "+*s.file+" is empty", "")
	case len(data) > maxSecretBytes:
		fail("the secret file "+*s.file+" is larger than "+formatSize(maxSecretBytes), "")
	default:
		*s.value = Secret(text)
		l.checkMode(*s.file, at)
	}
}

// checkMode tells of a secret file that everybody on the machine may read.
func (l *loader) checkMode(file, at string) {
	if l.ReadFile != nil || runtime.GOOS == "windows" {
		return
	}
	info, err := os.Stat(file)
	if err == nil && info.Mode().Perm()&0o004 != 0 {
		l.cfg.notice(at, "everybody on this machine may read the secret file "+file+"; chmod 600 it")
	}
}

// notice adds what is accepted but worth saying.
func (c *Config) notice(path, message string) {
	line := path + ": " + message
	if place := c.Place(path); place != "" {
		line = place + ": " + line
	}
	c.Notices = append(c.Notices, line)
}
