package verify

import (
	"bytes"
	"slices"
)

// What CDS and CDNSKEY say when the parent is to have no DS (RFC 8078 section 4).
var (
	deleteCDS     = []byte{0, 0, 0, 0, 0}
	deleteCDNSKEY = []byte{0, 0, 3, 0, 0}
)

// parentSet judges a CDS or CDNSKEY set: what a parent makes of it must lead to
// keys of the zone (RFC 7344 section 4.1), or be the wish to be insecure, alone
// (RFC 8078 section 4), and the two sets must say the same (RFC 7344 section 4).
func (j *judge) parentSet(n *owner, s *rrset) {
	other := n.find(typeCDS + typeCDNSKEY - s.typ)
	if len(j.beside) > 0 && !isDelete(s.typ, s.first()) && !slices.ContainsFunc(j.keys, func(k *publicKey) bool { return k.published && j.names(s, k) }) {
		j.fault(n.name, s.typ, "names no key of the DNSKEY set (RFC 7344 section 4.1)")
		return
	}
	for rdata := range each(s.data) {
		switch {
		case isDelete(s.typ, rdata):
			if s.count > 1 {
				j.fault(n.name, s.typ, "the delete record stands beside others (RFC 8078 section 4)")
			}
			if other != nil && !isDelete(other.typ, other.first()) {
				j.fault(n.name, s.typ, "the delete record, but %s names keys", typeString(other.typ))
			}
		case j.namedKey(s.typ, rdata) == nil:
			j.fault(n.name, s.typ, "names a key that is not in the DNSKEY set, or is revoked (RFC 7344 section 4.1)")
		case other != nil && !j.names(other, j.namedKey(s.typ, rdata)):
			j.fault(n.name, s.typ, "names key %d, which %s does not (RFC 7344 section 4)", j.namedKey(s.typ, rdata).tag, typeString(other.typ))
		}
	}
}

func isDelete(typ uint16, rdata []byte) bool {
	if typ == typeCDS {
		return bytes.Equal(rdata, deleteCDS)
	}
	return bytes.Equal(rdata, deleteCDNSKEY)
}

// namedKey returns the published key that a CDS or CDNSKEY record names; nil:
// there is none that a chain of trust could go through.
func (j *judge) namedKey(typ uint16, rdata []byte) *publicKey {
	for _, k := range slices.Concat(j.keys, j.beside) {
		is := bytes.Equal(k.rdata, rdata)
		if typ == typeCDS {
			is = len(rdata) > 4 && j.digests(k, rdata)
		}
		if is && k.published && !k.revoked() {
			return k
		}
	}
	return nil
}

// names reports whether a CDS or CDNSKEY set names a key.
func (j *judge) names(s *rrset, k *publicKey) bool {
	for rdata := range each(s.data) {
		if j.namedKey(s.typ, rdata) == k {
			return true
		}
	}
	return false
}
