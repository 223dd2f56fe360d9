package dedupe

// Journal is a stand-in.
type Journal struct{}

func (j *Journal) append(entry) {}
