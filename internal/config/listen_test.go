package config_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/postrider/postrider/internal/config"
)

// TestListenersAreLoopbackByDefault: nothing is open to other machines before
// somebody writes so.
func TestListenersAreLoopbackByDefault(t *testing.T) {
	c := config.Default()
	for key, address := range map[string]string{
		"server.listen": c.Server.Listen, "admin.listen": c.Admin.Listen, "kafka.embedded.listen": c.Kafka.Embedded.Listen,
		"forward.listen": c.Forward.Listen,
	} {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		if addr, err := netip.ParseAddr(host); err != nil || !addr.IsLoopback() {
			t.Errorf("%s is %s by default", key, address)
		}
	}
	if len(c.Server.TrustedProxies) != 0 {
		t.Errorf("these are believed by default: %v", c.Server.TrustedProxies)
	}
}
