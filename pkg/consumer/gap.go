package consumer

import "fmt"

// GapError says that records were deleted before the group had read them: offsets in
// [From, To) of the partition. Retention was too short, or the group away for too
// long; or the topic was made anew, where To is below From: then it begins at To.
type GapError struct {
	Group     string
	Topic     string
	Partition int
	From, To  int64
}

// Error implements error.
func (e *GapError) Error() string {
	if e.To < e.From {
		return fmt.Sprintf("consumer: group %s: %s[%d] holds records up to offset %d, and the group has read up to %d: the topic was made anew, or lost its end; "+
			"set the group's offsets, or go on from there with OnGap", e.Group, e.Topic, e.Partition, e.To, e.From)
	}
	return fmt.Sprintf("consumer: group %s: %d records of %s[%d] (offsets %d to %d) were deleted before the group read them: "+
		"keep records longer, or go on behind them with OnGap", e.Group, e.To-e.From, e.Topic, e.Partition, e.From, e.To-1)
}
