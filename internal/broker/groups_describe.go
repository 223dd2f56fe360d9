package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/describegroups"
)

// describeGroup asks a group's coordinator for its state and members. It goes
// below kafka.Client of v0.4.51, which fails for members whose metadata is newer
// than version 1, as Java clients send it since 3.2.
func (c *Client) describeGroup(ctx context.Context, name string) (Group, error) {
	var g Group
	err := c.atCoordinator(ctx, name, func(ctx context.Context) error {
		res, err := trip[*describegroups.Response](ctx, c, &describegroups.Request{Groups: []string{name}})
		if err != nil {
			return err
		}
		g, err = readGroup(name, res)
		return err
	})
	if err != nil {
		return Group{}, groupError(name, "describe it", "DESCRIBE on the group", err)
	}
	return g, nil
}

func readGroup(name string, res *describegroups.Response) (Group, error) {
	for i := range res.Groups {
		d := &res.Groups[i]
		switch {
		case d.GroupID != name:
			continue
		case d.ErrorCode == int16(kafka.GroupIdNotFound):
			return Group{Name: name, State: GroupDead}, nil
		case d.ErrorCode != 0:
			return Group{}, kafka.Error(d.ErrorCode)
		}
		g := Group{Name: name, State: d.GroupState, Protocol: d.ProtocolType, Assignor: d.ProtocolData}
		for _, m := range d.Members {
			g.Members = append(g.Members, GroupMember{
				ID: m.MemberID, Instance: m.GroupInstanceID, Client: m.ClientID, Host: m.ClientHost,
				Assigned: readAssignment(d.ProtocolType, m.MemberAssignment),
			})
		}
		return g, nil
	}
	return Group{}, errors.New("the answer is about another group")
}

// readAssignment reads what a member of the protocol "consumer" was assigned. Of
// what it does not understand it tells nothing: only the members' names count.
// https://kafka.apache.org/protocol#consumer_protocol, ConsumerProtocolAssignment.
func readAssignment(protocol string, raw []byte) map[string][]int {
	r := reader{rest: raw}
	if protocol != "consumer" || len(raw) == 0 {
		return nil
	}
	r.int16() // version; later ones only add to the end
	assigned := make(map[string][]int)
	for range r.count(6) {
		topic := r.string()
		for range r.count(4) {
			assigned[topic] = append(assigned[topic], int(r.int32()))
		}
		slices.Sort(assigned[topic])
	}
	if r.broken {
		return nil
	}
	return assigned
}

// reader reads big-endian numbers and text. What is missing reads as nothing.
type reader struct {
	rest   []byte
	broken bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.broken, r.rest = true, nil
		return make([]byte, 8)
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) int16() int16 { return int16(binary.BigEndian.Uint16(r.take(2))) } //nolint:gosec // signed on the wire
func (r *reader) int32() int32 { return int32(binary.BigEndian.Uint32(r.take(4))) } //nolint:gosec // signed on the wire

// count reads how many items follow, of which each takes so many bytes at least.
func (r *reader) count(least int) int {
	n := int(r.int32())
	if n < 0 || n > len(r.rest)/least {
		r.broken = true
		return 0
	}
	return n
}

func (r *reader) string() string {
	n := int(r.int16())
	text := r.take(n)
	if r.broken {
		return ""
	}
	return string(text)
}
