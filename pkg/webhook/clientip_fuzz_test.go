package webhook_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/postrider/postrider/pkg/webhook"
)

// FuzzClientIP: whatever a client writes into X-Forwarded-For, it is heard only
// through a trusted proxy, and what a trusted proxy appended last is never
// overruled by what stands before it.
func FuzzClientIP(f *testing.F) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	f.Add("10.0.0.1:1234", "192.0.2.1, 10.2.3.4")
	f.Add("[2001:db8::1]:1", "[::ffff:10.1.1.1]:80,,")
	f.Add("203.0.113.9:1", "10.0.0.1")
	f.Add("", ", \x00")
	f.Fuzz(func(t *testing.T, remote, list string) {
		direct := webhook.ClientIP(remote, nil, trusted)
		if got := webhook.ClientIP(remote, []string{list}, nil); got != direct {
			t.Errorf("nobody is trusted, and %q made %s of %s", list, got, direct)
		}
		if got := webhook.ClientIP("203.0.113.9:1", []string{list}, trusted); got != netip.MustParseAddr("203.0.113.9") {
			t.Errorf("a stranger said %q and is taken for %s", list, got)
		}
		const appended = "198.51.100.7"
		if got := webhook.ClientIP("10.0.0.1:1", []string{list + "," + appended}, trusted); got != netip.MustParseAddr(appended) {
			t.Errorf("a proxy said %s behind %q, which made %s of it", appended, list, got)
		}
		one, two := webhook.ClientIP("10.0.0.1:1", []string{list}, trusted), webhook.ClientIP("10.0.0.1:1", strings.Split(list, ","), trusted)
		if one != two {
			t.Errorf("%q in one line is %s, in several %s", list, one, two)
		}
	})
}
