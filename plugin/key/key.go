// Package key knows DNSSEC keys as the DNS sees them: their DNSKEY records,
// tags and digests (RFC 4034, RFC 7344). It holds public parts only; what signs
// is a crypto.Signer from a key store.
package key

import (
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// Flags of a DNSKEY record (RFC 4034 section 2.1.1, RFC 5011 section 3).
const (
	FlagZone   uint16 = 0x0100 // the key belongs to a zone
	FlagSEP    uint16 = 0x0001 // secure entry point: the parent's DS names it
	FlagRevoke uint16 = 0x0080 // the key revokes itself
)

// protocol is the only value of DNSKEY's protocol field (RFC 4034 section 2.1.2).
const protocol = 3

// rsaMD5 is algorithm 1, whose tags are computed in another way (RFC 4034
// appendix B.1). Nothing below it is a key (RFC 8078 section 4).
const rsaMD5 = 1

// Key is the public part of a zone key.
type Key struct {
	Role      policy.Role
	Algorithm policy.Algorithm
	Flags     uint16
	Public    []byte // the public key field of the DNSKEY record
	Tag       uint16 // of the DNSKEY record with these Flags
}

// New makes a Key of a public key that must be of the algorithm's kind.
func New(role policy.Role, alg policy.Algorithm, pub crypto.PublicKey) (Key, error) {
	public, err := encodePublic(alg, pub)
	if err != nil {
		return Key{}, err
	}
	flags := FlagZone
	if role.SignsDNSKEY() {
		flags |= FlagSEP
	}
	k := Key{Role: role, Algorithm: alg, Flags: flags, Public: public}
	k.Tag = Tag(k.DNSKEY())
	return k, nil
}

// FromDNSKEY reads the RDATA of a DNSKEY record. The role follows the SEP flag:
// KSK or ZSK. Whether a SEP key signs the whole zone too cannot be seen in the
// record; ResolveRoles decides that for a set of keys. A key of an algorithm that
// is not supported is read too: it can stand in a DNSKEY set beside others, but
// has no PublicKey and its SignatureSize is 0.
func FromDNSKEY(rdata []byte) (Key, error) {
	if len(rdata) < 5 {
		return Key{}, fmt.Errorf("dnskey: %d octets are too short", len(rdata))
	}
	k := Key{
		Role:      policy.ZSK,
		Algorithm: policy.Algorithm(rdata[3]),
		Flags:     uint16(rdata[0])<<8 | uint16(rdata[1]),
		Public:    append([]byte(nil), rdata[4:]...),
		Tag:       Tag(rdata),
	}
	if k.Flags&FlagZone == 0 {
		return Key{}, fmt.Errorf("dnskey: flags %d: not a zone key (RFC 4034 section 2.1.1)", k.Flags)
	}
	if rdata[2] != protocol {
		return Key{}, fmt.Errorf("dnskey: protocol %d is not 3 (RFC 4034 section 2.1.2)", rdata[2])
	}
	if k.Flags&FlagSEP != 0 {
		k.Role = policy.KSK
	}
	if err := k.Algorithm.Check(); err != nil {
		if k.Algorithm <= rsaMD5 {
			return Key{}, err
		}
		return k, nil
	}
	if _, err := k.PublicKey(); err != nil {
		return Key{}, err
	}
	return k, nil
}

// Revoked returns the key as it stands in the DNSKEY set when it revokes itself
// (RFC 5011 section 2.1): another flag, and so another tag and another digest.
func (k Key) Revoked() Key {
	k.Flags |= FlagRevoke
	k.Tag = Tag(k.DNSKEY())
	return k
}

// RevokedTag returns the tag that the key has, or would have, revoked (RFC 5011
// section 3): no other key of the zone may have it either.
func (k Key) RevokedTag() uint16 { return k.Revoked().Tag }

// ResolveRoles makes CSKs of the SEP keys in a set that have to sign the whole
// zone: all of them where the scheme is csk and no key without SEP is at hand.
func ResolveRoles(keys []Key, scheme policy.Scheme) {
	if scheme != policy.SchemeCSK {
		return
	}
	for _, k := range keys {
		if k.Role == policy.ZSK {
			return
		}
	}
	for i := range keys {
		if keys[i].Role == policy.KSK {
			keys[i].Role = policy.CSK
		}
	}
}

// DNSKEY returns the RDATA of the key's DNSKEY record (RFC 4034 section 2.1).
func (k Key) DNSKEY() []byte {
	rdata := make([]byte, 0, 4+len(k.Public))
	rdata = append(rdata, byte(k.Flags>>8), byte(k.Flags), protocol, byte(k.Algorithm))
	return append(rdata, k.Public...)
}

// CDNSKEY returns the RDATA of the key's CDNSKEY record (RFC 7344 section 3.2).
func (k Key) CDNSKEY() []byte { return k.DNSKEY() }

// PublicDigest identifies the key for good: the SHA-256 of its DNSKEY RDATA in
// hexadecimal. Tags can repeat, this cannot.
func (k Key) PublicDigest() string {
	sum := sha256.Sum256(k.DNSKEY())
	return hex.EncodeToString(sum[:])
}

// SignatureSize returns the octets of one signature by the key; 0 for a key
// whose algorithm is not supported.
func (k Key) SignatureSize() int { return k.Algorithm.SignatureSize(k.Bits()) }

// Tag returns the key tag of a DNSKEY record of any algorithm but 1 (RFC 4034
// appendix B).
func Tag(rdata []byte) uint16 {
	var sum uint32
	for i, c := range rdata {
		if i&1 == 0 {
			sum += uint32(c) << 8
		} else {
			sum += uint32(c)
		}
	}
	return uint16(sum + sum>>16)
}
