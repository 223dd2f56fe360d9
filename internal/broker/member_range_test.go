package broker

import (
	"slices"
	"testing"

	"github.com/segmentio/kafka-go"
)

// TestNamesakesGoToOneMember: in whatever order the metadata lists them, partitions of
// one number belong to one member, so that a key is handled in one place.
func TestNamesakesGoToOneMember(t *testing.T) {
	topics := []string{"bounced", "delivered"}
	members := []kafka.GroupMember{{ID: "a", Topics: topics}, {ID: "b", Topics: topics}, {ID: "c", Topics: topics}}
	var listed []kafka.Partition
	for _, id := range []int{3, 0, 5, 1, 4, 2} {
		listed = append(listed, kafka.Partition{Topic: "bounced", ID: id}, kafka.Partition{Topic: "delivered", ID: 5 - id})
	}
	got := rangeBalancer{}.AssignGroups(members, listed)
	for i, m := range members {
		want := []int{2 * i, 2*i + 1}
		for _, topic := range topics {
			if !slices.Equal(got[m.ID][topic], want) {
				t.Errorf("%s has %v of %s, want %v", m.ID, got[m.ID][topic], topic, want)
			}
		}
	}
	if listed[0].ID != 3 {
		t.Error("the list was sorted in place")
	}
}
