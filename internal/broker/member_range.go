package broker

import (
	"cmp"
	"slices"

	"github.com/segmentio/kafka-go"
)

// rangeBalancer is kafka-go's range assignor with the partitions in order. v0.4.51 takes
// them as the metadata lists them, which is in no order: a partition's namesakes in
// other topics would go to other members, and two of them handle one key at once.
type rangeBalancer struct{ kafka.RangeGroupBalancer }

// AssignGroups implements kafka.GroupBalancer.
func (b rangeBalancer) AssignGroups(members []kafka.GroupMember, partitions []kafka.Partition) kafka.GroupMemberAssignments {
	sorted := slices.SortedFunc(slices.Values(partitions), func(a, b kafka.Partition) int { return cmp.Compare(a.ID, b.ID) })
	return b.RangeGroupBalancer.AssignGroups(members, sorted)
}
