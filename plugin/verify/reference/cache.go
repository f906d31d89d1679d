package reference

import (
	"bytes"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// Cache is a resolver that answers from the NSEC and NSEC3 records it has seen
// (RFC 8198 section 5), whatever they were sent for. It does not look at
// signatures.
type Cache struct {
	origin Name
	nsec   map[string]nsec
	nsec3  map[string]nsec3
}

type nsec struct {
	owner, next Name
	types       []uint16
}

type nsec3 struct {
	owner, next []byte // hashes
	types       []uint16
	optOut      bool
	salt        string
	iterations  uint16
}

// NewCache returns an empty cache for a zone.
func NewCache(origin string) *Cache {
	return &Cache{origin: ParseName(origin), nsec: map[string]nsec{}, nsec3: map[string]nsec3{}}
}

// Learn keeps the proofs of a response.
func (c *Cache) Learn(m *dns.Msg) {
	for _, rr := range slices.Concat(m.Answer, m.Ns) {
		switch r := rr.(type) {
		case *dns.NSEC:
			owner := ParseName(r.Hdr.Name)
			c.nsec[owner.key()] = nsec{owner, ParseName(r.NextDomain), r.TypeBitMap}
		case *dns.NSEC3:
			label, _, _ := strings.Cut(r.Hdr.Name, ".")
			c.nsec3[lower(label)] = nsec3{unhash(label), unhash(r.NextDomain), r.TypeBitMap, r.Flags&1 != 0, r.Salt, r.Iterations}
		}
	}
}

func unhash(s string) []byte {
	b, err := base32.HexEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(s))
	if err != nil {
		panic("reference: " + s + ": " + err.Error())
	}
	return b
}

// Denies reports whether the cache says that the name, or the type at it, is
// not there, and why.
func (c *Cache) Denies(name Name, typ uint16) (why string, denied bool) {
	if why, denied = c.deniesNSEC(name, typ); denied {
		return why, true
	}
	return c.deniesNSEC3(name, typ)
}

// lacks reports whether a type list denies a type at its own name: not at a
// delegation, but for DS, and not DS at an apex (RFC 6840 section 4.1).
func lacks(types []uint16, typ uint16) bool {
	has := func(t uint16) bool { return slices.Contains(types, t) }
	cut := has(dns.TypeNS) && !has(dns.TypeSOA)
	if cut && typ != dns.TypeDS || typ == dns.TypeDS && has(dns.TypeSOA) {
		return false
	}
	return !has(typ) && !has(dns.TypeCNAME)
}

// elsewhere reports whether what is below a name is not this zone's to deny.
func elsewhere(types []uint16) bool {
	return slices.Contains(types, dns.TypeDNAME) || slices.Contains(types, dns.TypeNS) && !slices.Contains(types, dns.TypeSOA)
}

func (c *Cache) deniesNSEC(name Name, typ uint16) (why string, denied bool) {
	if r, ok := c.nsec[name.key()]; ok {
		return fmt.Sprintf("NSEC of %s lists %v", name, r.types), lacks(r.types, typ)
	}
	r, ok := c.covering(name)
	if !ok {
		return "", false
	}
	if r.next.below(name) {
		return fmt.Sprintf("NSEC of %s makes %s an empty non-terminal", r.owner, name), true
	}
	wildcard := name[:max(shared(name, r.owner), shared(name, r.next))].wildcard()
	if w, ok := c.nsec[wildcard.key()]; ok {
		return fmt.Sprintf("NSEC of %s denies the name, that of the wildcard lists %v", r.owner, w.types), lacks(w.types, typ)
	}
	if w, ok := c.covering(wildcard); ok {
		return fmt.Sprintf("NSEC of %s denies the name, that of %s the wildcard", r.owner, w.owner), true
	}
	return "", false
}

// covering returns the NSEC record whose gap holds the name.
func (c *Cache) covering(name Name) (nsec, bool) {
	for _, r := range c.nsec {
		if r.owner.compare(name) < 0 && (name.compare(r.next) < 0 || slices.Equal(r.next, c.origin)) {
			return r, !(name.below(r.owner) && elsewhere(r.types))
		}
	}
	return nsec{}, false
}

// shared returns the number of labels two names have in common at the top.
func shared(a, b Name) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func (c *Cache) deniesNSEC3(name Name, typ uint16) (why string, denied bool) {
	if r, ok := c.matching3(name); ok {
		return fmt.Sprintf("NSEC3 of %s lists %v", name, r.types), lacks(r.types, typ)
	}
	for n := len(name) - 1; n >= len(c.origin); n-- {
		encloser, ok := c.matching3(name[:n])
		if !ok {
			continue
		}
		if elsewhere(encloser.types) || !c.covering3(name[:n+1]) {
			return "", false
		}
		wildcard := name[:n].wildcard()
		if w, ok := c.matching3(wildcard); ok {
			return fmt.Sprintf("NSEC3 denies %s, that of the wildcard lists %v", name[:n+1], w.types), lacks(w.types, typ)
		}
		return fmt.Sprintf("NSEC3 denies %s and %s", name[:n+1], wildcard), c.covering3(wildcard)
	}
	return "", false
}

// hashed returns the hash of a name under a record's parameters.
func (r nsec3) hashed(name Name) []byte {
	if _, err := hex.DecodeString(r.salt); err != nil {
		panic("reference: salt " + r.salt)
	}
	return unhash(dns.HashName(name.String(), dns.SHA1, r.iterations, r.salt))
}

func (c *Cache) matching3(name Name) (nsec3, bool) {
	for _, r := range c.nsec3 {
		if bytes.Equal(r.hashed(name), r.owner) {
			return r, true
		}
	}
	return nsec3{}, false
}

// covering3 reports whether a record that does not opt out denies the name
// (RFC 8198 section 5.2).
func (c *Cache) covering3(name Name) bool {
	for _, r := range c.nsec3 {
		h := r.hashed(name)
		after, before := bytes.Compare(r.owner, h) < 0, bytes.Compare(h, r.next) < 0
		last := bytes.Compare(r.owner, r.next) >= 0
		if !r.optOut && !bytes.Equal(h, r.owner) && (after && before || last && (after || before)) {
			return true
		}
	}
	return false
}

// Contradiction asks the cache for every name and type of the zone, wildcards
// expanded and delegations included, and returns what it denies wrongly.
func (z *Zone) Contradiction(c *Cache) error {
	for k, name := range z.names {
		if up, hidden := z.hider(name); hidden {
			name = up // what is below is another's: no name there may be denied
			if why, denied := c.Denies(z.names[k], dns.TypeA); denied {
				return fmt.Errorf("%s is below %s, but: %s", z.names[k], name, why)
			}
			continue
		}
		types := z.types(name)
		for _, typ := range types {
			if why, denied := c.Denies(name, typ); denied {
				return fmt.Errorf("%s has %s, but: %s", name, dns.Type(typ), why)
			}
			if name[max(len(name)-1, 0):].key() == (Name{"*"}).key() {
				expanded := append(slices.Clone(name[:len(name)-1]), "made-up")
				if z.exists[expanded.key()] {
					continue
				}
				if why, denied := c.Denies(expanded, typ); denied {
					return fmt.Errorf("%s has %s by a wildcard, but: %s", expanded, dns.Type(typ), why)
				}
			}
		}
	}
	return nil
}

// types returns what may be asked at a name and must not be denied.
func (z *Zone) types(name Name) []uint16 {
	sets := z.sets[name.key()]
	if z.isCut(name) {
		types := []uint16{dns.TypeA, dns.TypeNS}
		if sets[dns.TypeDS] != nil {
			types = append(types, dns.TypeDS)
		}
		return types
	}
	if sets[dns.TypeCNAME] != nil {
		return []uint16{dns.TypeCNAME, dns.TypeA, dns.TypeTXT}
	}
	var types []uint16
	for t := range sets {
		types = append(types, t)
	}
	return types
}
