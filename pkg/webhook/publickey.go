package webhook

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Bounds of the moduli of RSA keys, in bits. Go's crypto/rsa takes nothing below
// the first; some installations of Postal still have keys of that size.
const (
	leastModulus   = 1024
	goodModulus    = 2048
	largestModulus = 8192
)

// keyKind is an algorithm of public-key signatures.
type keyKind int

const (
	kindECDSA keyKind = iota // P-256
	kindRSA                  // PKCS #1 v1.5
)

// publicKey is one key that a provider's signatures are checked with.
type publicKey struct {
	id      string
	life    lifetime
	public  crypto.PublicKey // *ecdsa.PublicKey or *rsa.PublicKey
	private crypto.Signer    // nil, or what signs for trying out
}

// publicKeys checks the secrets of a scheme whose provider signs with a private
// key: each is the provider's public key, or a private key of one's own.
func (r *report) publicKeys(secrets []Secret, kind keyKind) []publicKey {
	var keys []publicKey
	for i, s := range secrets {
		field := fmt.Sprintf("secrets[%d].value", i)
		if s.Username != "" || len(s.Password) > 0 {
			r.problem(fmt.Sprintf("secrets[%d].username", i), "user and password belong to type basic; give a value")
		}
		public, private, err := parseKey(s.Value)
		if err == nil {
			err = suits(public, kind)
		}
		if err != nil {
			r.problem(field, "%v", err)
			continue
		}
		r.warnKey(field, public, private)
		keys = append(keys, publicKey{id: s.ID, life: lifetime{s.NotAfter}, public: public, private: private})
	}
	return keys
}

// warnKey says what is accepted, but not good.
func (r *report) warnKey(field string, public crypto.PublicKey, private crypto.Signer) {
	if private != nil {
		r.warning(field, "is a private key: whoever reads the configuration can sign events; it is for trying out, use the provider's public key")
	}
	if k, ok := public.(*rsa.PublicKey); ok && k.N.BitLen() < goodModulus {
		r.warning(field, "has only %d bits; make the sender use %d or more", k.N.BitLen(), goodModulus)
	}
}

// suits checks that a key is of the scheme's algorithm.
func suits(public crypto.PublicKey, kind keyKind) error {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		if kind == kindECDSA && k.Curve == elliptic.P256() {
			return nil
		}
	case *rsa.PublicKey:
		if n := k.N.BitLen(); kind == kindRSA && (n < leastModulus || n > largestModulus) {
			return fmt.Errorf("is an RSA key of %d bits; %d to %d are taken", n, leastModulus, largestModulus)
		}
		if kind == kindRSA {
			return nil
		}
	}
	if kind == kindECDSA {
		return errors.New("is a key of another algorithm; ECDSA with the curve P-256 is needed")
	}
	return errors.New("is a key of another algorithm; RSA is needed")
}

// errNoKey says what a key looks like.
var errNoKey = errors.New("is no key; give the provider's public key as its dashboard shows it (base64), or PEM")

// parseKey reads a public key in base64 (of DER, as dashboards show it, or behind
// p= as DKIM records have it), or PEM of a public key, a certificate or a private
// key.
func parseKey(value []byte) (crypto.PublicKey, crypto.Signer, error) {
	for block, rest := pem.Decode(value); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "EC PARAMETERS": // which openssl writes in front of the key
		case "CERTIFICATE":
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, nil, errors.New("is no certificate that can be read")
			}
			return cert.PublicKey, nil, nil
		case "PUBLIC KEY", "RSA PUBLIC KEY":
			return publicDER(block.Bytes)
		default:
			return privateDER(block.Bytes)
		}
	}
	der, err := base64.StdEncoding.DecodeString(bareKey(string(value)))
	if err != nil || len(der) == 0 {
		return nil, nil, errNoKey
	}
	return publicDER(der)
}

// bareKey returns the base64 of a key that may stand in a DKIM record
// (RFC 6376, section 3.6.1), and may be broken into lines or quoted strings.
func bareKey(s string) string {
	for tag := range strings.SplitSeq(s, ";") {
		if key, found := strings.CutPrefix(strings.TrimLeft(tag, " \t\r\n\""), "p="); found {
			s = key
		}
	}
	return strings.Map(func(c rune) rune {
		if strings.ContainsRune(" \t\r\n\"", c) {
			return -1
		}
		return c
	}, s)
}

// publicDER reads a public key (RFC 5280 or, of RSA, RFC 8017).
func publicDER(der []byte) (crypto.PublicKey, crypto.Signer, error) {
	if key, err := x509.ParsePKIXPublicKey(der); err == nil {
		return key, nil, nil
	}
	key, err := x509.ParsePKCS1PublicKey(der)
	if err != nil {
		return nil, nil, errNoKey
	}
	return key, nil, nil
}

// privateDER reads a private key and returns its public half too.
func privateDER(der []byte) (crypto.PublicKey, crypto.Signer, error) {
	var key any
	var err error
	if key, err = x509.ParsePKCS8PrivateKey(der); err != nil {
		if key, err = x509.ParseECPrivateKey(der); err != nil {
			key, err = x509.ParsePKCS1PrivateKey(der)
		}
	}
	private, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil, nil, errors.New("is no key that can be read; a private key must not be encrypted")
	}
	return private.Public(), private, nil
}

// holds reports whether sig is k's signature of a text with that hash sum.
func (k *publicKey) holds(hash crypto.Hash, sum, sig []byte) bool {
	switch public := k.public.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(public, sum, sig)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, hash, sum, sig) == nil
	}
	return false
}

// sign returns k's signature; the same for the same text. nil without a private
// key.
func (k *publicKey) sign(hash crypto.Hash, sum []byte) []byte {
	if k.private == nil {
		return nil
	}
	sig, err := k.private.Sign(nil, sum, hash)
	if err != nil {
		return nil
	}
	return sig
}

// keyring is the keys of a source, in order.
type keyring []publicKey

// match returns the id of the first key that is taken at that moment and fits;
// active tells whether there was one to try.
func (keys keyring) match(at time.Time, fits func(k *publicKey) bool) (id string, found, active bool) {
	for i := range keys {
		if !keys[i].life.includes(at) {
			continue
		}
		active = true
		if !found && fits(&keys[i]) {
			id, found = keys[i].id, true
		}
	}
	return id, found, active
}

// signable reports why nothing can be signed with the first key; nil if it can.
func (keys keyring) signable() error {
	if len(keys) > 0 && keys[0].private == nil {
		return errors.New("the secret is a public key, which signs nothing: only the provider has the private one; to send requests of your own, " +
			"give the source a private key in PEM, made with openssl, beside it")
	}
	return nil
}
