package sparkpost

import "github.com/postrider/postrider/internal/provider"

// sample is one example; what mail events have in common is added where mail is set.
type sample struct {
	name, class, typ string
	mail             bool
	data             string
}

// samples returns one webhook or more for every type.
func samples() []provider.Sample {
	const (
		refused = `"error_code":"550","raw_reason":"550 5.1.1 <{{recipient}}> user unknown","reason":"550 5.1.1 user unknown","ip_address":"192.0.2.25","num_retries":"0"`
		later   = `"error_code":"451","raw_reason":"451 4.7.1 greylisted, try again","reason":"451 4.7.1 greylisted, try again","ip_address":"192.0.2.25","num_retries":"1","queue_time":"1200"`
		agent   = `"ip_address":"198.51.100.7","user_agent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64)","user_agent_parsed":{"agent_family":"Chrome","is_mobile":false,"is_prefetched":false,"is_proxy":false},"geo_ip":{"country":"DE","city":"Berlin"}`
		link    = agent + `,"target_link_name":"order","target_link_url":"https://example.com/orders/1"`
		policy  = `"error_code":"550","raw_reason":"550 5.7.1 recipient address was suppressed due to customer policy","reason":"550 5.7.1 recipient address was suppressed due to customer policy","bounce_class":"25"`
		abTest  = `"ab_test":{"id":"subject-lines","version":1,"test_mode":"bayesian"}`
		ingest  = `"batch_id":"{{uuid2}}","expiration_timestamp":"{{unix}}","number_succeeded":500,"number_duplicates":0`
	)
	all := []sample{
		{"injection", "message_event", "injection", true, `"recv_method":"rest"`},
		{"delivery", "message_event", "delivery", true, `"ip_address":"192.0.2.25","num_retries":"0","queue_time":"340","outbound_tls":"1"`},
		{"delay", "message_event", "delay", true, later + `,"bounce_class":"70"`},
		{"bounce_hard_invalid_recipient", "message_event", "bounce", true, refused + `,"bounce_class":"10"`},
		{"bounce_soft_mailbox_full", "message_event", "bounce", true, `"bounce_class":"22","error_code":"552","raw_reason":"552 5.2.2 mailbox full","reason":"552 5.2.2 mailbox full","ip_address":"192.0.2.25"`},
		{"out_of_band", "message_event", "out_of_band", true, refused + `,"bounce_class":"10"`},
		{"bounce_auto_reply", "message_event", "bounce", true, `"bounce_class":"60"`},
		{"bounce_subscribe", "message_event", "bounce", true, `"bounce_class":"80"`},
		{"bounce_unsubscribe", "message_event", "bounce", true, `"bounce_class":"90"`},
		{"out_of_band_auto_reply", "message_event", "out_of_band", true, `"bounce_class":"60"`},
		{"out_of_band_subscribe", "message_event", "out_of_band", true, `"bounce_class":"80"`},
		{"out_of_band_unsubscribe", "message_event", "out_of_band", true, `"bounce_class":"90"`},
		{"policy_rejection_suppressed", "message_event", "policy_rejection", true, policy},
		{"spam_complaint", "message_event", "spam_complaint", true, `"fbtype":"abuse","report_by":"feedback.example.net","report_to":"abuse@example.com"`},
		{"sms_status", "message_event", "sms_status", false, `"stat_type":"SMSC Delivery","stat_state":"Delivered"`},
		{"open", "track_event", "open", true, agent},
		{"initial_open", "track_event", "initial_open", true, agent},
		{"click", "track_event", "click", true, link},
		{"amp_open", "track_event", "amp_open", true, agent},
		{"amp_initial_open", "track_event", "amp_initial_open", true, agent},
		{"amp_click", "track_event", "amp_click", true, link},
		{"generation_failure", "gen_event", "generation_failure", true, `"error_code":"554","raw_reason":"substitution language error: unknown function","reason":"substitution language error"`},
		{"generation_rejection", "gen_event", "generation_rejection", true, policy},
		{"list_unsubscribe", "unsubscribe_event", "list_unsubscribe", true, `"mailfrom":"{{recipient}}"`},
		{"link_unsubscribe", "unsubscribe_event", "link_unsubscribe", true, `"mailfrom":"{{recipient}}","user_agent":"Mozilla/5.0"`},
		{"relay_injection", "relay_event", "relay_injection", true, `"relay_id":"{{uuid2}}","origination":"{{sender}}"`},
		{"relay_rejection", "relay_event", "relay_rejection", true, policy},
		{"relay_delivery", "relay_event", "relay_delivery", true, `"relay_id":"{{uuid2}}","num_retries":"0"`},
		{"relay_tempfail", "relay_event", "relay_tempfail", true, `"relay_id":"{{uuid2}}","raw_reason":"503 Service Unavailable","reason":"503 Service Unavailable"`},
		{"relay_permfail", "relay_event", "relay_permfail", true, `"relay_id":"{{uuid2}}","raw_reason":"503 Service Unavailable","reason":"503 Service Unavailable"`},
		{"ab_test_completed", "ab_test_event", "ab_test_completed", false, abTest},
		{"ab_test_cancelled", "ab_test_event", "ab_test_cancelled", false, abTest},
		{"ingest_success", "ingest_event", "success", false, ingest},
		{"ingest_error", "ingest_event", "error", false, ingest + `,"error_type":"validation","number_failed":1,"retryable":false`},
	}
	out := make([]provider.Sample, len(all))
	for i, s := range all {
		out[i] = provider.Sample{
			Name: s.name, ProviderType: s.typ, Body: s.body(),
			Header: []string{"X-MessageSystems-Batch-ID: 0e5cf1fc-cb36-4c39-b695-3651b6ea6563"},
		}
	}
	return out
}

func (s *sample) body() string {
	const mail = `"message_id":"{{hex}}","transmission_id":"65832150921904138","campaign_id":"orders","subject":"Your order",` +
		`"friendly_from":"{{sender}}","msg_from":"bounces@example.com","rcpt_to":"{{recipient}}","raw_rcpt_to":"{{recipient}}",` +
		`"rcpt_meta":{"order":"4711"},"rcpt_tags":["orders"],`
	common := ""
	if s.mail {
		common = mail
	}
	return `[{"msys":{"` + s.class + `":{"type":"` + s.typ + `","event_id":"{{uuid}}","timestamp":"{{unix}}","customer_id":"1",` +
		common + s.data + `}}}]`
}
