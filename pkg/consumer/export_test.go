package consumer

// IsPermanent reports whether an error has its record be a dead letter at once.
func IsPermanent(err error) bool {
	a, _ := classify(err)
	return a == permanent
}
