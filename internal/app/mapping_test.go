package app_test

import (
	"strings"
	"testing"
)

// What a stored request does not have, no expression may look at: the same request
// would be another event when it is read again, and a secret would be published.
func TestMappingsLookAtWhatIsStored(t *testing.T) {
	const source = `sources:
  - name: acme
    provider: mapping
    auth: {type: header, header: X-Acme-Key, secrets: [{id: a, value: a-key-that-is-long-enough}]}
    query: {metadata: [campaign]}
    mapping:
      type: event
      types: {open: opened}
      fields:
        subject: '= EXPRESSION'
`
	for expression, want := range map[string]string{
		`query.campaign + headers["x-id"]`: "",
		`query.user ?? "none"`:             "config.yaml:14:9: ",
		`headers["x-acme-key"]`:            "holds the secret",
		`headers["X-Id"]`:                  "write x-id",
		`headers[item.name]`:               "only single ones",
		`"a" in query ? "x" : "y"`:         "only single ones",
		`string(headers)`:                  "only single ones",
	} {
		f := newReloading(t)
		f.write(strings.Replace(source, "EXPRESSION", expression, 1))
		_, err := f.load()
		switch {
		case want == "" && err != nil, want != "" && err == nil:
			t.Errorf("%s: %v", expression, err)
		case err != nil && (!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "sources[0].mapping.fields.subject")):
			t.Errorf("%s: %v, want %q", expression, err, want)
		}
	}
}
