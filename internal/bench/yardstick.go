package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"   //nolint:depguard // a yardstick
	"github.com/segmentio/kafka-go" //nolint:depguard // a yardstick
)

// yardstickRole is the -role of the process that publishes with bare kafka-go.
const yardstickRole = "kafkago"

// yardstick is the least that a receiver of one's own does on kafka-go and its raw
// calls: it verifies, parses with the standard library, encodes, publishes one record
// of the event, and answers when all in-sync replicas have it. It knows one provider,
// keeps no raw copy and no dead letters, and looks for no repeats.
type yardstick struct {
	secret []byte
	lanes  []*lane
}

// posted is what it reads of an event.
type posted struct {
	ID        string `json:"id"`
	Type      string `json:"type"`
	CreatedAt int64  `json:"created_at"`
	Data      struct {
		UID      string `json:"uid"`
		From     string `json:"from"`
		To       string `json:"to"`
		Subject  string `json:"subject"`
		MX       string `json:"mx"`
		IP       string `json:"ip"`
		Response string `json:"response"`
	} `json:"data"`
}

// published is what it makes of it.
type published struct {
	ID         string    `json:"id"`
	Type       string    `json:"type"`
	Provider   string    `json:"provider"`
	OccurredAt time.Time `json:"occurred_at"`
	ReceivedAt time.Time `json:"received_at"`
	MessageID  string    `json:"message_id"`
	Sender     string    `json:"sender"`
	Recipient  string    `json:"recipient"`
	Subject    string    `json:"subject"`
	MX         string    `json:"mx"`
	IP         string    `json:"ip"`
	Response   string    `json:"response"`
}

// yardstickSettings is what the process is told by its arguments.
type yardstickSettings struct {
	Listen  string   `json:"listen"`
	Brokers []string `json:"brokers"`
	Topic   string   `json:"topic"`
	Lanes   int      `json:"lanes"` // partitions of the topic
	Secret  string   `json:"secret"`
}

// serveYardstick ends with ctx or with the process that started it.
func serveYardstick(ctx context.Context, o options, parent io.Reader) error {
	var s yardstickSettings
	if err := json.Unmarshal([]byte(o.settings), &s); err != nil {
		return fmt.Errorf("bench: settings of the yardstick: %w", err)
	}
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	y := &yardstick{secret: []byte(s.Secret), lanes: newLanes(transport, s.Brokers, s.Topic, s.Lanes)}
	return serveChildAt(ctx, s.Listen, o.readyFile, parent, y.handler()) //nolint:contextcheck // every request has a context of its own
}

// handler takes webhooks.
func (y *yardstick) handler() http.Handler {
	e := echo.New()
	e.POST("/v1/webhooks/:source", func(c echo.Context) error {
		body, err := io.ReadAll(c.Request().Body)
		if err != nil {
			return fmt.Errorf("bench: yardstick: read body: %w", err)
		}
		if !y.proven(c.Request().Header.Get("X-Webhook-Signature"), body) {
			return c.NoContent(http.StatusUnauthorized)
		}
		key, value, err := normalized(body, time.Now())
		if err != nil {
			return c.NoContent(http.StatusBadRequest)
		}
		if err := y.publish(c.Request().Context(), key, value); err != nil {
			return c.NoContent(http.StatusServiceUnavailable)
		}
		return c.NoContent(http.StatusOK)
	})
	return e
}

// proven reports whether the signature is the body's.
func (y *yardstick) proven(signature string, body []byte) bool {
	mac := hmac.New(sha256.New, y.secret)
	mac.Write(body)
	return hmac.Equal([]byte(signature), []byte("sha256="+hex.EncodeToString(mac.Sum(nil))))
}

// errNoEvent says that a body holds nothing to publish.
var errNoEvent = errors.New("bench: yardstick: no event")

// normalized parses an event and encodes it anew.
func normalized(body []byte, now time.Time) (key, value []byte, err error) {
	var in posted
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errNoEvent, err)
	}
	if in.ID == "" || in.Data.UID == "" {
		return nil, nil, errNoEvent
	}
	value, err = json.Marshal(published{
		ID: in.ID, Type: in.Type, Provider: "jetemail", OccurredAt: time.Unix(in.CreatedAt, 0).UTC(), ReceivedAt: now.UTC(), MessageID: in.Data.UID,
		Sender: in.Data.From, Recipient: in.Data.To, Subject: in.Data.Subject, MX: in.Data.MX, IP: in.Data.IP, Response: in.Data.Response,
	})
	return []byte(in.Data.UID), value, err
}

// publish puts a record in the line of its key's partition and waits until it is
// acknowledged.
func (y *yardstick) publish(ctx context.Context, key, value []byte) error {
	h := fnv.New32a()
	h.Write(key)
	return y.lanes[h.Sum32()%uint32(len(y.lanes))].publish(ctx, key, value)
}
