package event

// Valid reports whether f is one of the families.
func (f Family) Valid() bool {
	switch f {
	case FamilyDelivery, FamilyEngagement, FamilyFeedback, FamilyOther:
		return true
	}
	return false
}

// Valid reports whether d is one of the directions.
func (d Direction) Valid() bool { return d == Outbound || d == Inbound }

// BounceClasses lists every bounce class.
func BounceClasses() []BounceClass { return []BounceClass{Hard, Soft, UndeterminedClass} }

// Valid reports whether c is one of BounceClasses.
func (c BounceClass) Valid() bool {
	switch c {
	case Hard, Soft, UndeterminedClass:
		return true
	}
	return false
}

// BounceCategories lists every bounce category, by RFC 3463 subject.
func BounceCategories() []BounceCategory {
	return []BounceCategory{
		InvalidRecipient, BadDomain, SenderInvalid, MailboxInactive, MailboxFull,
		MessageTooLarge, RemoteConfiguration, NoAnswer, ConnectionFailure, DNSFailure,
		Routing, Timeout, Protocol, Content, Attachment, Policy, Authentication,
		RelayDenied, SpamContent, SpamBlock, AdminBlock, ComplaintBlock, Fraud, Virus,
		RateLimited, Transient, Generic, UndeterminedCategory,
	}
}

// Valid reports whether c is one of BounceCategories.
func (c BounceCategory) Valid() bool {
	switch c {
	case InvalidRecipient, BadDomain, SenderInvalid, MailboxInactive, MailboxFull,
		MessageTooLarge, RemoteConfiguration, NoAnswer, ConnectionFailure, DNSFailure,
		Routing, Timeout, Protocol, Content, Attachment, Policy, Authentication,
		RelayDenied, SpamContent, SpamBlock, AdminBlock, ComplaintBlock, Fraud, Virus,
		RateLimited, Transient, Generic, UndeterminedCategory:
		return true
	}
	return false
}

// DropReasons lists every drop reason.
func DropReasons() []DropReason {
	return []DropReason{
		DropSuppressed, DropPolicy, DropSpam, DropVirus, DropInvalidRecipient,
		DropRateLimit, DropUnsubscribed, DropComplained, DropPreviousBounce, DropOther,
	}
}

// Valid reports whether r is one of DropReasons.
func (r DropReason) Valid() bool {
	switch r {
	case DropSuppressed, DropPolicy, DropSpam, DropVirus, DropInvalidRecipient,
		DropRateLimit, DropUnsubscribed, DropComplained, DropPreviousBounce, DropOther:
		return true
	}
	return false
}
