package broker

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/apiversions"
	"github.com/segmentio/kafka-go/protocol/saslhandshake"
)

// TestLoginThatIsNeverAnsweredIsGivenUp has a broker that negotiates and then
// stops answering, in the one place that kafka-go sets no deadline for.
func TestLoginThatIsNeverAnsweredIsGivenUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	gone := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			gone <- err
			return
		}
		defer conn.Close()
		gone <- freezeInLogin(conn)
	}()
	c, err := Dial(Options{
		Brokers: []string{l.Addr().String()}, DialTimeout: 500 * time.Millisecond,
		SASL: &SASLOptions{Mechanism: "PLAIN", Username: "rider", Password: "secret"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = c.Ping(ctx) }()
	select {
	case err := <-gone:
		if err != nil && !errors.Is(err, io.EOF) {
			t.Errorf("the broker: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("the connection is still open")
	}
}

// freezeInLogin answers until the login begins, then waits for the end of the
// connection.
func freezeInLogin(conn net.Conn) error {
	version, correlation, _, _, err := protocol.ReadRequest(conn)
	if err != nil {
		return err
	}
	keys := []apiversions.ApiKeyResponse{
		{ApiKey: int16(protocol.SaslHandshake), MaxVersion: 1}, {ApiKey: int16(protocol.SaslAuthenticate), MaxVersion: 1},
	}
	if err := protocol.WriteResponse(conn, version, correlation, &apiversions.Response{ApiKeys: keys}); err != nil {
		return err
	}
	if version, correlation, _, _, err = protocol.ReadRequest(conn); err != nil {
		return err
	}
	if err := protocol.WriteResponse(conn, version, correlation, &saslhandshake.Response{Mechanisms: []string{"PLAIN"}}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, conn)
	return err
}
