package verify

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/miekg/dns"
)

// proof holds the NSEC and NSEC3 records of a response.
type proof struct {
	nsec   []denialRecord
	nsec3  []denialRecord
	params []byte // of the NSEC3 records
}

// denialRecord is an NSEC or NSEC3 record taken apart.
type denialRecord struct {
	part   *part
	owner  []byte // NSEC
	next   []byte // NSEC, lower case
	from   hash   // NSEC3
	to     hash   // NSEC3
	optOut bool
	bitmap []byte
}

// readProof takes the denial records of the authority section apart.
func (r *response) readProof() error {
	for _, p := range r.auth {
		if p.typ != typeNSEC && p.typ != typeNSEC3 {
			continue
		}
		if !p.signed() || p.expanded() || p.count > 1 {
			return fmt.Errorf("%s: not signed, from a wildcard, or more than one", p)
		}
		if err := r.proof.add(p, r.t.Zone); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	if len(r.proof.nsec) > 0 && len(r.proof.nsec3) > 0 {
		return errors.New("NSEC and NSEC3 in one response")
	}
	return nil
}

func (f *proof) add(p *part, zone []byte) error {
	d := denialRecord{part: p, owner: p.owner}
	var ok bool
	if p.typ == typeNSEC {
		var next []byte
		next, d.bitmap, ok = splitNSEC(p.first())
		d.next = lowered(next)
		f.nsec = append(f.nsec, d)
		if !ok || !atOrBelow(d.next, zone) {
			return errors.New("malformed, or points out of the zone")
		}
	} else {
		var n nsec3Record
		if n, ok = splitNSEC3(p.first()); !ok || n.params[0] != 1 {
			return errors.New("malformed, or with unknown hash or flags")
		}
		if d.from, ok = hashOwner(p.owner, zone); !ok {
			return errors.New("the owner is no hash")
		}
		if f.params == nil {
			f.params = n.params
		}
		if !sameParams(f.params, n.params) || be16(n.params[2:]) > maxIterations {
			return errors.New("other parameters than the record before, or too many iterations")
		}
		d.to, d.optOut, d.bitmap = n.next, n.optOut, n.bitmap
		f.nsec3 = append(f.nsec3, d)
	}
	_, err := bitmapTypes(d.bitmap)
	return err
}

// match returns the record of a name.
func (f *proof) match(name []byte) *denialRecord {
	for i := range f.nsec {
		if bytes.Equal(f.nsec[i].owner, name) {
			return &f.nsec[i]
		}
	}
	if len(f.nsec3) > 0 {
		h := hashName(name, f.params)
		for i := range f.nsec3 {
			if f.nsec3[i].from == h {
				return &f.nsec3[i]
			}
		}
	}
	return nil
}

// cover returns the record whose gap holds a name.
func (f *proof) cover(name []byte) *denialRecord {
	for i := range f.nsec {
		d := &f.nsec[i]
		if compare(d.owner, name) < 0 && (compare(name, d.next) < 0 || compare(d.next, d.owner) <= 0) {
			return d
		}
	}
	if len(f.nsec3) == 0 {
		return nil
	}
	h := hashName(name, f.params)
	for i := range f.nsec3 {
		d := &f.nsec3[i]
		after, before := bytes.Compare(d.from[:], h[:]) < 0, bytes.Compare(h[:], d.to[:]) < 0
		if last := bytes.Compare(d.from[:], d.to[:]) >= 0; after && before || last && (after || before) && d.from != h {
			return d
		}
	}
	return nil
}

// isCut reports whether a bitmap is that of a delegation, so of the parent.
func (d *denialRecord) isCut() bool {
	return bitmapHas(d.bitmap, typeNS) && !bitmapHas(d.bitmap, typeSOA)
}

// reaches judges that a record may speak of names below its owner: not where a
// delegation or a DNAME takes them elsewhere (RFC 6840 section 4.1).
func (d *denialRecord) reaches() error {
	if d.isCut() || bitmapHas(d.bitmap, typeDNAME) {
		return fmt.Errorf("%s: of a delegation or a DNAME, and used for a name below", d.part)
	}
	return nil
}

// lacks judges that a record denies the type at its own name (RFC 4035 section
// 5.4, RFC 5155 sections 8.5 and 8.6, RFC 6840 section 4.1).
func (d *denialRecord) lacks(r *response, name []byte) error {
	apexDS := r.qtype == typeDS && bytes.Equal(name, r.t.Zone) // asked of the child for want of the parent
	switch {
	case r.qtype == typeANY && len(d.bitmap) > 0:
		return fmt.Errorf("%s: lists types, and ANY was asked", d.part)
	case bitmapHas(d.bitmap, r.qtype) || bitmapHas(d.bitmap, typeCNAME):
		return fmt.Errorf("%s: lists the type asked, or CNAME", d.part)
	case r.qtype != typeDS && d.isCut():
		return fmt.Errorf("%s: of a delegation, which cannot deny the child's types", d.part)
	case r.qtype == typeDS && !apexDS && bitmapHas(d.bitmap, typeSOA):
		return fmt.Errorf("%s: of the child, which cannot deny DS", d.part)
	}
	return nil
}

// deny judges a denial of v.Name or of the type at it.
func (r *response) deny(v *Verdict) error {
	v.Kind = NoData
	if d := r.proof.match(v.Name); d != nil {
		if err := d.lacks(r, v.Name); err != nil {
			return err
		}
		return r.rcode(dns.RcodeSuccess)
	}
	if len(r.proof.nsec3) > 0 {
		return r.denyHashed(v)
	}
	d := r.proof.cover(v.Name)
	if d == nil {
		return fmt.Errorf("no record matches or covers %s", nameString(v.Name))
	}
	if below(v.Name, d.owner) {
		if err := d.reaches(); err != nil {
			return err
		}
	}
	if below(d.next, v.Name) {
		return r.rcode(dns.RcodeSuccess) // an empty non-terminal
	}
	encloser := ancestor(v.Name, max(common(v.Name, d.owner), common(v.Name, d.next)))
	return r.denyWildcard(v, wildcardOf(encloser))
}

// denyWildcard judges what a response says of the wildcard that would have
// answered.
func (r *response) denyWildcard(v *Verdict, wildcard []byte) error {
	if d := r.proof.match(wildcard); d != nil {
		if err := d.lacks(r, wildcard); err != nil {
			return err
		}
		v.FromWildcard = true
		return r.rcode(dns.RcodeSuccess)
	}
	d := r.proof.cover(wildcard)
	if d == nil {
		return fmt.Errorf("no record matches or covers %s", nameString(wildcard))
	}
	if d.next != nil && below(d.next, wildcard) {
		v.FromWildcard = true
		return r.rcode(dns.RcodeSuccess) // the wildcard is an empty non-terminal
	}
	v.Kind = NameError
	return r.rcode(dns.RcodeNameError)
}

// encloser finds the closest encloser of a name and the record that covers the
// next closer one (RFC 5155 section 8.3).
func (f *proof) encloser(name, zone []byte) (encloser []byte, next *denialRecord, err error) {
	for closer := name; len(closer) > len(zone); closer = parent(closer) {
		up := parent(closer)
		d := f.match(up)
		if d == nil {
			continue
		}
		if err := d.reaches(); err != nil {
			return nil, nil, err
		}
		if next = f.cover(closer); next == nil {
			return nil, nil, fmt.Errorf("no record covers %s, the next closer name", nameString(closer))
		}
		return up, next, nil
	}
	return nil, nil, fmt.Errorf("no record of a closest encloser of %s", nameString(name))
}

// denyHashed judges a denial by NSEC3 of a name that no record matches.
func (r *response) denyHashed(v *Verdict) error {
	encloser, next, err := r.proof.encloser(v.Name, r.t.Zone)
	if err != nil {
		return err
	}
	if next.optOut {
		r.optOut = true
		w := r.proof.match(wildcardOf(encloser)) // it may be there only because it covers
		if r.msg.Rcode == dns.RcodeSuccess && (w == nil || w.lacks(r, w.owner) != nil) {
			// An unsigned delegation asked for its DS, or an empty non-terminal
			// of such (RFC 5155 sections 7.2.4 and 8.6, erratum 3441).
			return nil
		}
	}
	return r.denyWildcard(v, wildcardOf(encloser))
}

// noCloser judges that a name expanded from a wildcard of that many labels has
// no closer match.
func (f *proof) noCloser(r *response, name []byte, labels int) error {
	if len(f.nsec3) == 0 {
		d := f.cover(name)
		switch {
		case d == nil:
			return fmt.Errorf("no record covers %s", nameString(name))
		case common(name, d.owner) > labels || common(name, d.next) > labels:
			return fmt.Errorf("%s: there is a closer name", d.part)
		}
		if below(name, d.owner) {
			return d.reaches()
		}
		return nil
	}
	closer := ancestor(name, labels+1)
	d := f.cover(closer)
	if d == nil {
		return fmt.Errorf("no record covers %s", nameString(closer))
	}
	r.optOut = r.optOut || d.optOut
	return nil
}

// noDS judges that a delegation has no DS.
func (f *proof) noDS(r *response, cut []byte) error {
	if d := f.match(cut); d != nil {
		if !d.isCut() || bitmapHas(d.bitmap, typeDS) {
			return fmt.Errorf("%s: not of an unsigned delegation", d.part)
		}
		return nil
	}
	if len(f.nsec3) == 0 {
		return fmt.Errorf("no record of %s", nameString(cut))
	}
	_, next, err := f.encloser(cut, r.t.Zone)
	if err != nil {
		return err
	}
	if !next.optOut {
		return fmt.Errorf("%s: covers it, but does not opt out", next.part)
	}
	return nil
}
