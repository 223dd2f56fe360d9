package provider

// StandardID is the native id of an item whose sender follows Standard Webhooks
// (https://github.com/standard-webhooks/standard-webhooks), and the id as sent: the
// header webhook-id, or svix-id, which Svix sends instead. A proof covers one of the
// two. Where both are there and differ, somebody has been at one of them: neither
// counts, and the item's content is its identity.
func (p Place) StandardID() (native, sent string) {
	header := p.Request.Header
	name, other := "Webhook-Id", header.Get("Svix-Id")
	sent = header.Get(name)
	switch {
	case sent == "":
		name, sent = "Svix-Id", other
	case other != "" && other != sent:
		return "", ""
	}
	return p.HeaderID(name), sent
}
