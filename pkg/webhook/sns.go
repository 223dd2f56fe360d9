package webhook

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// rawDelivery is the header of messages without an envelope, canonical.
const rawDelivery = "X-Amz-Sns-Rawdelivery"

// snsWhere is where the proof stands, for refusals.
const snsWhere = "body, Signature"

// sns proves messages of Amazon SNS, and of senders that speak its protocol, as
// the page of AWS says
// (https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html):
// Signature is the base64 of an RSA signature (PKCS #1 v1.5) over names and values
// of the message's members, of SHA-1 in SignatureVersion 1 and of SHA-256 in 2, by
// the key of the certificate at SigningCertURL. Scaleway's Topics and Events sign
// the same way, in version 1, with certificates of their own.
//
// A certificate proves no more than that SNS sent a message, and everybody can have
// it send one: the topic has to be one of those configured. The address of the
// certificate is that of the topic's partition and region; see certificateAddress. Secrets are
// optional further keys, for senders that sign without a certificate there.
//
// The time of a message is signed, but compared only where a tolerance is set: how
// long a message waits depends on the subscription's delivery policy.
type sns struct {
	topics    []string
	tolerance time.Duration // 0: any time will do
	keys      keyring
	certs     *certificates // nil: none are fetched
}

// buildSNS makes the verifier.
func buildSNS(cfg Config, rep *report) Verifier {
	if len(cfg.Topics) == 0 {
		rep.problem("topics", "missing; name the topics' ARNs: everybody can have AWS sign messages of a topic of their own")
	}
	for i, topic := range cfg.Topics {
		if part, _ := place(topic); part == "" {
			rep.problem(fmt.Sprintf("topics[%d]", i), "is no ARN of a topic, such as arn:aws:sns:eu-central-1:123456789012:mail-events; patterns are not taken")
		}
	}
	if cfg.Tolerance < 0 {
		rep.problem("tolerance", "negative; give a duration such as 90m")
	}
	v := &sns{topics: cfg.Topics, tolerance: cfg.Tolerance}
	if len(cfg.Secrets) > 0 {
		v.keys = rep.checkKeys(cfg, kindRSA)
	}
	if cfg.Fetch != nil {
		v.certs = newCertificates(cfg.Fetch)
	}
	return v
}

// place returns the partition ("aws", "aws-cn", "aws-us-gov", "scw") and the region
// that a topic's ARN names; "" for what is none.
func place(topic string) (partition, region string) {
	parts := strings.Split(topic, ":")
	ok := len(parts) == 6 && parts[0] == "arn" && parts[2] == "sns" && !strings.ContainsAny(topic, "*? \t\r\n") &&
		!slices.Contains(parts, "")
	if !ok {
		return "", ""
	}
	return parts[1], parts[3]
}

// Missing implements Verifier: the proof is in the body, unless there is none.
func (v *sns) Missing(r *Request) error {
	if strings.EqualFold(firstValue(r.Header, rawDelivery), "true") {
		return refuse("sns", ReasonUnsupportedContent, "header "+rawDelivery,
			"raw message delivery has no signature; switch it off at the subscription, or use type basic or token")
	}
	return nil
}

// snsClaim is what a request brings along.
type snsClaim struct {
	members map[string]string
	sig     []byte
	hash    crypto.Hash
	signed  time.Time
}

// verify implements Verifier. The topic is checked before anything is fetched, and
// the time last.
func (v *sns) verify(r *Request) (Proof, error) {
	c, err := v.read(r)
	if err != nil {
		return Proof{}, err
	}
	if !slices.Contains(v.topics, c.members["TopicArn"]) {
		return Proof{}, v.otherTopic()
	}
	id, err := v.prove(r, &c)
	if err != nil {
		return Proof{}, err
	}
	if v.tolerance > 0 {
		if err := v.window().check(c.signed, r.ReceivedAt); err != nil {
			return Proof{}, err
		}
	}
	return Proof{Scheme: "sns", KeyID: id, Signed: c.signed, Nonce: c.members["MessageId"], Covered: true}, nil
}

// otherTopic is the refusal of a message of a topic that was not named.
func (v *sns) otherTopic() error {
	e := refuse("sns", ReasonMismatch, "body, TopicArn", "the message is of a topic that is not in auth.topics; whoever sent it, it is not for this source")
	e.Complete = true
	return e
}

// window is the tolerance of the signed time.
func (v *sns) window() window { return window{"sns", "body, Timestamp", v.tolerance} }

// prove returns what proves a message: the id of a secret, or "certificate".
func (v *sns) prove(r *Request, c *snsClaim) (string, error) {
	sum := c.sum()
	id, found, active := v.keys.match(r.ReceivedAt, func(k *publicKey) bool { return k.holds(c.hash, sum, c.sig) })
	if found {
		return id, nil
	}
	if v.certs == nil {
		return "", noMatch("sns", snsWhere, active)
	}
	key, err := v.certificate(r, c)
	if err != nil {
		return "", err
	}
	if !key.holds(c.hash, sum, c.sig) {
		return "", noMatch("sns", snsWhere, true)
	}
	return "certificate", nil
}

// certificate returns the key of the message's certificate.
func (v *sns) certificate(r *Request, c *snsClaim) (*publicKey, error) {
	const where = "body, SigningCertURL"
	address := c.members["SigningCertURL"]
	if address == "" {
		address = c.members["SigningCertUrl"] // as functions get it
	}
	if !certificateAddress(c.members["TopicArn"], address) {
		return nil, refuse("sns", ReasonMalformed, where, "it is not where the sender's certificates are")
	}
	cert, err := v.certs.get(address, r.RemoteAddr, r.ReceivedAt)
	if err != nil {
		return nil, &UnavailableError{Scheme: "sns", What: "the certificate that signed the message", Err: err}
	}
	if r.ReceivedAt.Before(cert.from) || r.ReceivedAt.After(cert.to) {
		return nil, refuse("sns", ReasonMismatch, where, "the certificate is not valid now; check the clock")
	}
	return &cert.key, nil
}

// read finds the proof and everything that it is about.
func (v *sns) read(r *Request) (snsClaim, error) {
	if err := v.Missing(r); err != nil {
		return snsClaim{}, err
	}
	members, err := stringMembers(r.Body)
	if err != nil || members["Signature"] == "" {
		return snsClaim{}, refuse("sns", ReasonMissing, snsWhere, "the body is no message of SNS; does the topic deliver raw messages?")
	}
	c := snsClaim{members: members}
	malformed := func(hint string) (snsClaim, error) { return c, refuse("sns", ReasonMalformed, snsWhere, hint) }
	switch members["SignatureVersion"] {
	case "1":
		c.hash = crypto.SHA1
	case "2":
		c.hash = crypto.SHA256
	default:
		return malformed("SignatureVersion is neither 1 nor 2")
	}
	if !c.complete() {
		return malformed("a member that is signed is missing or no text, or Type is unknown")
	}
	c.sig, err = base64.StdEncoding.Strict().DecodeString(members["Signature"])
	if err != nil || len(c.sig) > maxSignature || base64.StdEncoding.EncodedLen(len(c.sig)) != len(members["Signature"]) {
		return malformed("Signature is no base64 of a signature")
	}
	if c.signed, err = time.Parse(time.RFC3339, members["Timestamp"]); err != nil {
		return malformed("Timestamp is no time (RFC 3339)")
	}
	return c, nil
}

// snsSigned is the members that are signed, in their order.
func snsSigned(kind string) []string {
	switch kind {
	case "Notification":
		return []string{"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}
	case "SubscriptionConfirmation", "UnsubscribeConfirmation":
		return []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
	}
	return nil
}

// complete reports whether the members that are signed are there. Names and values
// are signed with line breaks between them: in all but the free texts there must be
// none, or what is one member could be read as two.
func (c *snsClaim) complete() bool {
	names := snsSigned(c.members["Type"])
	for _, name := range names {
		value, there := c.members[name]
		free := name == "Message" || name == "Subject"
		if !there && name != "Subject" || !free && strings.ContainsAny(value, "\r\n") {
			return false
		}
	}
	return len(names) > 0
}

// sum hashes what is signed.
func (c *snsClaim) sum() []byte {
	h := c.hash.New()
	for _, name := range snsSigned(c.members["Type"]) {
		if value, there := c.members[name]; there {
			h.Write([]byte(name + "\n" + value + "\n"))
		}
	}
	return h.Sum(nil)
}

// covers tells what the signature protects.
func (v *sns) covers() Coverage { return Coverage{Body: true, Time: v.tolerance > 0} }

// signable implements selective.
func (v *sns) signable() error {
	if len(v.keys) == 0 {
		return errors.New("the source has no key to sign with; give it a private key in PEM, made with openssl, beside its topics")
	}
	return v.keys.signable()
}

// sign implements signer. A body that is no message becomes that of one.
func (v *sns) sign(_ Secret, r *Request, now time.Time) {
	body := r.Body
	if members, err := stringMembers(body); err != nil || snsSigned(members["Type"]) == nil {
		body = []byte(`{"Type":"Notification","Message":` + quote(string(body)) + `}`)
	}
	members, err := stringMembers(body)
	if err != nil {
		return
	}
	version := "2"
	if part, _ := place(v.topics[0]); part == "scw" {
		version = "1" // it has no other
	}
	set := map[string]string{"Timestamp": now.UTC().Format("2006-01-02T15:04:05.000Z"), "SignatureVersion": version}
	if members["MessageId"] == "" {
		set["MessageId"] = madeUpID(r.Body, now)[:32]
	}
	if !slices.Contains(v.topics, members["TopicArn"]) {
		set["TopicArn"] = v.topics[0]
	}
	for _, name := range []string{"MessageId", "TopicArn", "Timestamp", "SignatureVersion"} {
		if value, ok := set[name]; ok {
			body = setMember(body, name, []byte(quote(value)))
			members[name] = value
		}
	}
	c := snsClaim{members: members, hash: map[string]crypto.Hash{"1": crypto.SHA1, "2": crypto.SHA256}[version]}
	sig := base64.StdEncoding.EncodeToString(v.keys[0].sign(c.hash, c.sum()))
	r.Body = setMember(body, "Signature", []byte(quote(sig)))
}

// quote writes a text as JSON does.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(b)
}

// spoil implements spoiler: a blank in the JSON changes nothing that is signed.
func (v *sns) spoil(r *Request) {
	if members, err := stringMembers(r.Body); err == nil {
		r.Body = setMember(r.Body, "Signature", []byte(quote(spoiled(members["Signature"]))))
	}
}

// explain implements explainer.
func (v *sns) explain(e *explanation) {
	c, err := v.read(e.req)
	if err != nil {
		e.refusal(err)
		return
	}
	e.add(snsWhere, OutcomeOK, "a signature of %d bytes, version %s, of a %s", len(c.sig), c.members["SignatureVersion"], c.members["Type"])
	if !slices.Contains(v.topics, c.members["TopicArn"]) {
		e.refusal(v.otherTopic())
		return
	}
	e.add("body, TopicArn", OutcomeOK, "one of those that are configured")
	sum, fits := c.sum(), false
	for i := range v.keys {
		k := &v.keys[i]
		ok := k.holds(c.hash, sum, c.sig)
		e.secret(k.id, k.life, ok)
		fits = fits || ok
	}
	v.explainCertificate(e, &c, sum, fits)
	if v.tolerance > 0 {
		v.window().explain(e, c.signed, fits)
	}
}

// explainCertificate appends what the certificate says.
func (v *sns) explainCertificate(e *explanation, c *snsClaim, sum []byte, fits bool) {
	const step = "certificate"
	if fits {
		return
	}
	if v.certs == nil {
		e.add(step, OutcomeNote, "certificates are not fetched here")
		return
	}
	key, err := v.certificate(e.req, c)
	switch {
	case err == nil && key.holds(c.hash, sum, c.sig):
		e.fits = true
		e.add(step, OutcomeOK, "fits")
	case err == nil:
		e.add(step, OutcomeFailed, "does not fit: the message was changed, or is a forgery")
	default:
		if unavailable, ok := errors.AsType[*UnavailableError](err); ok {
			e.add(step, OutcomeFailed, "cannot be had: %v", unavailable.Err)
			return
		}
		e.refusal(err)
	}
}
