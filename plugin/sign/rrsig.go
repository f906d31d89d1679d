package sign

import (
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// maxMessage is the longest DNS message; a response has 12 octets of header, a
// question, and an OPT record of at least 11 (RFC 1035 section 4.2.2, RFC 6891).
const (
	maxMessage  = 65535
	messageRest = 12 + 4 + 11
)

// engine makes signatures one at a time and keeps its buffers.
type engine struct {
	plan *Plan
	made int // signatures

	name []byte // the owner at hand, wire form, lower case
	key  []byte // the key that name was made of
	data []byte // what is signed: RFC 4034 section 3.1.8.1
	rd   []byte // RDATA of an NSEC or NSEC3 record
	rrs  int    // where the records begin in data
	sum  [sha512.Size]byte
	raw  [96]byte // the longest ECDSA signature
}

// owner makes the name with that key the current owner.
func (e *engine) owner(key []byte) {
	if len(e.name) == 0 || string(key) != string(e.key) {
		e.key = append(e.key[:0], key...)
		e.name = zone.AppendWire(e.name[:0], key, e.plan.origin)
	}
}

// begin starts the data to be signed with room for the RRSIG's fields.
func (e *engine) begin(size int) {
	e.rrs = 18 + len(e.plan.origin)
	if size += e.rrs; cap(e.data) < size {
		e.data = make([]byte, size, size+size/2)
	}
	e.data = e.data[:e.rrs]
	copy(e.data[18:], e.plan.origin)
}

// record adds one record in canonical form (RFC 4034 section 6.2).
func (e *engine) record(typ uint16, ttl uint32, rdata []byte) {
	d := append(e.data, e.name...)
	d = append(d, byte(typ>>8), byte(typ), 0, 1, byte(ttl>>24), byte(ttl>>16), byte(ttl>>8), byte(ttl),
		byte(len(rdata)>>8), byte(len(rdata)))
	e.data = zone.AppendCanonical(d, typ, rdata)
}

// set makes an RRset of the current owner the data to be signed. Its records
// are in canonical order already.
func (e *engine) set(s zone.Set) {
	e.begin(len(s.Data) + s.Count*(len(e.name)+8))
	for rd := range s.RData {
		e.record(s.Type, s.TTL, rd)
	}
}

// sign signs the data with one key and fills g. Its octets are valid until the
// next call.
func (e *engine) sign(g *zone.Sig, typ uint16, labels uint8, ttl uint32) (err error) {
	k := &e.plan.in.Keys[g.Key]
	d := e.data
	d[0], d[1], d[2], d[3] = byte(typ>>8), byte(typ), k.Algorithm, labels
	put32(d[4:], ttl)
	put32(d[8:], g.Expiration)
	put32(d[12:], g.Inception)
	d[16], d[17] = byte(k.Tag>>8), byte(k.Tag)
	if g.Raw, err = e.raws(k); err != nil {
		return fmt.Errorf("%s: %s %s: signing with key %d of algorithm %d: %w",
			zone.Text(e.plan.origin), zone.Text(e.name), zone.TypeText(typ), k.Tag, k.Algorithm, err)
	}
	e.made++
	if e.plan.in.Yield != nil {
		e.plan.in.Yield()
	}
	return nil
}

func put32(b []byte, v uint32) {
	b[0], b[1], b[2], b[3] = byte(v>>24), byte(v>>16), byte(v>>8), byte(v)
}

// raws returns the signature over the data as an RRSIG holds it.
func (e *engine) raws(k *Key) (raw []byte, err error) {
	message, hash := e.digest(policy.Algorithm(k.Algorithm))
	if raw, err = k.Signer.Sign(nil, message, hash); err != nil {
		return nil, err
	}
	if k.Algorithm == uint8(policy.ECDSAP256SHA256) || k.Algorithm == uint8(policy.ECDSAP384SHA384) {
		if raw, err = concatenated(e.raw[:k.Size], raw); err != nil {
			return nil, err
		}
	}
	if len(raw) != k.Size {
		return nil, fmt.Errorf("the signer returned %d octets, not %d", len(raw), k.Size)
	}
	return raw, nil
}

// digest returns what an algorithm signs of the data: RFC 5702 section 3, RFC
// 6605 section 4, RFC 8080 section 4.
func (e *engine) digest(a policy.Algorithm) ([]byte, crypto.Hash) {
	switch a {
	case policy.RSASHA256, policy.ECDSAP256SHA256:
		sum := sha256.Sum256(e.data)
		return e.sum[:copy(e.sum[:], sum[:])], crypto.SHA256
	case policy.ECDSAP384SHA384:
		sum := sha512.Sum384(e.data)
		return e.sum[:copy(e.sum[:], sum[:])], crypto.SHA384
	case policy.RSASHA512:
		sum := sha512.Sum512(e.data)
		return e.sum[:copy(e.sum[:], sum[:])], crypto.SHA512
	default: // Ed25519 signs the message
		return e.data, 0
	}
}

var errECDSA = errors.New("the signer returned a malformed ECDSA signature")

// concatenated turns an ECDSA signature, ASN.1 SEQUENCE { r, s INTEGER }, into
// r and s of half of dst each (RFC 6605 section 4).
func concatenated(dst, der []byte) ([]byte, error) {
	if len(der) < 2 || der[0] != 0x30 || int(der[1]) != len(der)-2 || der[1] >= 0x80 {
		return nil, errECDSA
	}
	der = der[2:]
	for half := dst; len(half) > 0; half = half[len(dst)/2:] {
		if len(der) < 2 || der[0] != 2 || der[1] >= 0x80 || int(der[1]) > len(der)-2 {
			return nil, errECDSA
		}
		number := der[2 : 2+int(der[1])]
		der = der[2+int(der[1]):]
		for len(number) > 0 && number[0] == 0 {
			number = number[1:]
		}
		pad := len(dst)/2 - len(number)
		if pad < 0 {
			return nil, errECDSA
		}
		clear(half[:pad])
		copy(half[pad:], number)
	}
	if len(der) > 0 {
		return nil, errECDSA
	}
	return dst, nil
}
