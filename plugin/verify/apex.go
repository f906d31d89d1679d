package verify

import (
	"bytes"
	"crypto/sha1" // DS digest type 1 only
	"crypto/sha256"
	"crypto/sha512"
)

// apexSigners judges who signed the sets that link the zone to its parent.
func (j *judge) apexSigners(n *owner, s *rrset) {
	switch s.typ {
	case typeDNSKEY:
		j.delegationSigner(n, s)
		j.revokedSigners(n, s)
	case typeCDS, typeCDNSKEY:
		keys := n.find(typeDNSKEY)
		if !j.o.ZSKOnly && !sharedSigner(n, keys, s) {
			j.fault(n.name, s.typ, "not signed by a key that signs the DNSKEY set (RFC 7344 section 4.1)")
		}
		j.parentSet(n, s)
	}
}

// revokedSigners judges whether each revoked key has signed the DNSKEY set:
// without its own signature nobody believes that it is revoked (RFC 5011
// section 2.1).
func (j *judge) revokedSigners(n *owner, s *rrset) {
	if j.o.ZSKOnly {
		return // made elsewhere
	}
	for _, k := range j.keys {
		if k.published && k.revoked() && !signedBy(n, s, k) {
			j.fault(n.name, s.typ, "the revoked key %d has not signed it (RFC 5011 section 2.1)", k.tag)
		}
	}
}

// sharedSigner reports whether one key signed both sets.
func sharedSigner(n *owner, a, b *rrset) bool {
	for i := a.from; i < a.to; i++ {
		for k := b.from; k < b.to; k++ {
			if x, y := n.rrsig(i), n.rrsig(k); be16(x[16:]) == be16(y[16:]) && x[2] == y[2] {
				return true
			}
		}
	}
	return false
}

// delegationSigner judges whether the parent's DS records lead to a signature
// over the DNSKEY set, for each algorithm among them (RFC 4035 section 2.2).
func (j *judge) delegationSigner(n *owner, s *rrset) {
	var signed, wanted [256]bool
	for _, ds := range j.o.DS {
		if len(ds) < 5 {
			j.fault(n.name, typeDS, "malformed DS at the parent")
			return
		}
		wanted[ds[2]] = true
		for _, k := range j.keys {
			if k.published && !k.revoked() && j.digests(k, ds) && signedBy(n, s, k) {
				signed[ds[2]] = true
			}
		}
	}
	for a := range wanted {
		if wanted[a] && !signed[a] {
			j.fault(n.name, s.typ, "no signature by a key that a DS of algorithm %d at the parent names", a)
		}
	}
}

// signedBy reports whether a set has a signature by the key.
func signedBy(n *owner, s *rrset, k *publicKey) bool {
	for i := s.from; i < s.to; i++ {
		if b := n.rrsig(i); be16(b[16:]) == k.tag && b[2] == k.algorithm {
			return true
		}
	}
	return false
}

// digests reports whether a DS record is of the key (RFC 4034 section 5.1.4).
func (j *judge) digests(k *publicKey, ds []byte) bool {
	if be16(ds) != k.tag || ds[2] != k.algorithm {
		return false
	}
	text := append(bytes.Clone(j.origin), k.rdata...)
	var digest []byte
	switch ds[3] {
	case 1:
		sum := sha1.Sum(text)
		digest = sum[:]
	case 2:
		sum := sha256.Sum256(text)
		digest = sum[:]
	case 4:
		sum := sha512.Sum384(text)
		digest = sum[:]
	default:
		return false
	}
	return bytes.Equal(digest, ds[4:])
}
