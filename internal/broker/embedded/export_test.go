package embedded

// WithFree replaces the question how many bytes are free.
func (o Options) WithFree(free func(dir string) (int64, error)) Options {
	o.free = free
	return o
}
