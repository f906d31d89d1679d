package zone

import (
	"bytes"
	"errors"
	"slices"
)

// Blocks end where the content says so, not where they happen to be full: a
// name whose hash is a multiple of blockNames opens a block. Two zones with the
// same records so have the same blocks, however each came about, and an edit
// moves no other boundary.
const (
	blockNames    = 1024 // names in a block, on average
	maxBlockNames = 4096
)

// assembler puts names, given in canonical order, into blocks, and decides for
// each what it is: cut, occluded, empty non-terminal.
type assembler struct {
	b      *Builder
	blocks []*Block // the last is growing, and is open
	open   Block    // its memory is used again for the next block
	stats  Stats

	last []byte // key of the last name
	path []Pos  // the authoritative ancestors of the last name, and it

	occluder []byte // the topmost cut or DNAME above the names at hand; nil: none
	below    Flags  // what a name below the occluder is
}

// name takes the next name with its records.
func (a *assembler) name(key []byte, recs []rec) {
	if a.occluder != nil && bytes.HasPrefix(key, a.occluder) {
		a.warnOccluded(key, recs)
		a.append(key, a.below, recs)
		return
	}
	a.occluder = nil
	for at := Common(a.last, key); at < len(key); {
		at += bytes.IndexByte(key[at:], 0) + 1
		if at < len(key) {
			a.append(key[:at], Empty, nil)
		}
	}
	slices.SortStableFunc(recs, func(x, y rec) int { return int(x.typ) - int(y.typ) })
	flags := a.judge(key, recs)
	if flags&(Cut|Redirect) != 0 {
		a.occluder = append([]byte{}, key...)
		a.below = BelowCut
		if flags&Redirect != 0 {
			a.below = BelowRedirect
		}
	}
	a.append(key, flags, recs)
}

// judge returns what an authoritative name is, and reports what must not be.
func (a *assembler) judge(key []byte, recs []rec) (flags Flags) {
	n := typeCounts(recs)
	apex := len(key) == 0
	if apex {
		a.judgeApex(recs, n)
	} else if n.soa > 0 {
		a.fault(key, TypeSOA, errors.New("a SOA record below the apex"))
	}
	if !apex && n.ns > 0 {
		flags |= Cut
		if n.ds > 0 {
			flags |= Secure
		}
	}
	if n.dname > 0 {
		flags |= Redirect
	}
	switch {
	case n.cname > 0 && n.other > 0:
		a.fault(key, TypeCNAME, errors.New("a CNAME beside other data (RFC 1034 section 3.6.2)"))
	case n.ds > 0 && n.ns == 0 && !apex:
		a.fault(key, TypeDS, errors.New("a DS without NS (RFC 4034 section 5)"))
	case n.dname > 0 && flags&Cut != 0:
		a.fault(key, TypeDNAME, errors.New("a DNAME beside NS below the apex (RFC 6672 section 2.3)"))
	case IsWildcard(key) && n.ns > 0:
		a.fault(key, TypeNS, errors.New("a delegation at a wildcard (RFC 4592 section 4.2)"))
	case IsWildcard(key) && n.dname > 0:
		a.fault(key, TypeDNAME, errors.New("a DNAME at a wildcard (RFC 4592 section 4.4)"))
	}
	return flags
}

// judgeApex reports what must not be at the apex, or must be and is not.
func (a *assembler) judgeApex(recs []rec, n counts) {
	switch {
	case n.soa == 0:
		a.fault(nil, TypeSOA, errors.New("no SOA record at the apex"))
	case n.ns == 0:
		a.fault(nil, TypeNS, errors.New("no NS record at the apex"))
	case n.ds > 0:
		a.fault(nil, TypeDS, errors.New("a DS at the apex belongs in the parent zone"))
	case n.cname > 0:
		a.fault(nil, TypeCNAME, errors.New("a CNAME at the apex"))
	}
	for _, r := range recs {
		if r.typ == TypeSOA && !validSOA(a.b.dataOf(r)) {
			a.fault(nil, TypeSOA, errors.New("malformed RDATA"))
		}
	}
}

// validSOA reports whether RDATA is two names and five 32-bit numbers.
func validSOA(rdata []byte) bool {
	for range 2 {
		end := 0
		for end < len(rdata) && rdata[end] != 0 {
			end += int(rdata[end]) + 1
		}
		if end >= len(rdata) || !ValidWire(rdata[:end+1]) {
			return false
		}
		rdata = rdata[end+1:]
	}
	return len(rdata) == 20
}

// counts says how many records of the types that exclude each other a name has.
type counts struct{ soa, ns, ds, cname, dname, other int }

func typeCounts(recs []rec) (n counts) {
	for _, r := range recs {
		if r.typ != TypeCNAME {
			n.other++
		}
		switch r.typ {
		case TypeSOA:
			n.soa++
		case TypeNS:
			n.ns++
		case TypeDS:
			n.ds++
		case TypeCNAME:
			n.cname++
		case TypeDNAME:
			n.dname++
		}
	}
	return n
}

// append adds a name to the current block, or to a new one where one begins.
func (a *assembler) append(key []byte, flags Flags, recs []rec) {
	if n := len(a.blocks); n < 2 || a.blocks[n-1].Len() >= maxBlockNames || hashKey(key)%blockNames == 0 {
		a.close()
		a.blocks = append(a.blocks, &a.open)
	}
	cur := a.blocks[len(a.blocks)-1]
	cur.keys = append(cur.keys, key...)
	a.sets(cur, key, flags, recs)
	cur.names = append(cur.names, name{uint32(len(cur.keys)), uint32(len(cur.sets)), flags})
	a.last = append(a.last[:0], key...)
	if flags&Occluded == 0 {
		a.descend(key, Pos{len(a.blocks) - 1, cur.Len() - 1})
	}
	if len(recs) > 0 {
		a.stats.Names++
	}
}

// descend makes p the end of the path and tells its parent of a wildcard.
func (a *assembler) descend(key []byte, p Pos) {
	for len(a.path) > 0 {
		up := a.path[len(a.path)-1]
		if bytes.HasPrefix(key, a.blocks[up.Block].Key(up.Name)) {
			break
		}
		a.path = a.path[:len(a.path)-1]
	}
	if IsWildcard(key) && len(a.path) > 0 {
		up := a.path[len(a.path)-1]
		a.blocks[up.Block].names[up.Name].flags |= HasWildcard
	}
	a.path = append(a.path, p)
}

// sets adds the RRsets of a name.
func (a *assembler) sets(cur *Block, key []byte, flags Flags, recs []rec) {
	if flags&Occluded != 0 {
		slices.SortStableFunc(recs, func(x, y rec) int { return int(x.typ) - int(y.typ) })
	}
	for len(recs) > 0 {
		n := 1
		for n < len(recs) && recs[n].typ == recs[0].typ {
			n++
		}
		a.set(cur, key, flags, a.b.sortSet(a.evenTTL(key, recs[:n])))
		recs = recs[n:]
	}
}

// evenTTL gives the records of one RRset the lowest of their TTLs (RFC 2181 section 5.2).
func (a *assembler) evenTTL(key []byte, recs []rec) []rec {
	low, uneven := recs[0].ttl, false
	for _, r := range recs[1:] {
		uneven = uneven || r.ttl != low
		low = min(low, r.ttl)
	}
	if uneven {
		a.note(noteTTL, key)
		for i := range recs {
			recs[i].ttl = low
		}
	}
	return recs
}

// maxMessage is the longest DNS message; 12 octets of header and the question
// go off (RFC 1035 section 4.2.2).
const maxMessage = 65535

func (a *assembler) set(cur *Block, key []byte, flags Flags, recs []rec) {
	typ, octets := recs[0].typ, 12+MaxWire+4
	if len(recs) > 1 && flags&Occluded == 0 {
		switch typ {
		case TypeSOA:
			a.fault(key, typ, errors.New("more than one SOA record"))
		case TypeCNAME:
			a.fault(key, typ, errors.New("more than one CNAME (RFC 2181 section 10.1)"))
		case TypeDNAME:
			a.fault(key, typ, errors.New("more than one DNAME (RFC 6672 section 2.4)"))
		}
	}
	for _, r := range recs {
		rd := a.b.dataOf(r)
		octets += 12 + len(rd)
		cur.data = append(append(cur.data, byte(len(rd)>>8), byte(len(rd))), rd...)
	}
	if octets > maxMessage {
		a.fault(key, typ, errors.New("the RRset does not fit a DNS message"))
	}
	cur.sets = append(cur.sets, set{typ, uint16(len(recs)), recs[0].ttl, uint32(len(cur.data))})
	a.stats.Records += len(recs)
	a.stats.Sets++
	if Authoritative(flags, typ) || typ == TypeNS {
		a.stats.MaxTTL = max(a.stats.MaxTTL, recs[0].ttl)
	}
}

func (a *assembler) fault(key []byte, typ uint16, err error) {
	a.b.fault(AppendWire(nil, key, a.b.origin), typ, err)
}

func (a *assembler) note(kind noteKind, key []byte) {
	a.b.notes.add(kind, AppendWire(nil, key, a.b.origin))
}

// warnOccluded notes data that nobody will see. Addresses below a cut are glue.
func (a *assembler) warnOccluded(key []byte, recs []rec) {
	const typeA, typeAAAA = 1, 28
	for _, r := range recs {
		switch {
		case a.below == BelowRedirect:
			a.note(noteBelowDNAME, key)
			return
		case r.typ != typeA && r.typ != typeAAAA:
			a.note(noteBelowCut, key)
			return
		}
	}
}

// close gives the growing block memory of its own, as small as can be.
func (a *assembler) close() {
	if len(a.blocks) == 0 {
		return
	}
	b := &a.open
	a.blocks[len(a.blocks)-1] = &Block{keys: slices.Clone(b.keys), names: slices.Clone(b.names),
		sets: slices.Clone(b.sets), data: slices.Clone(b.data)}
	a.open = Block{keys: b.keys[:0], names: b.names[:0], sets: b.sets[:0], data: b.data[:0]}
}

// finish returns the blocks; those equal to blocks of prev are shared with it.
// Only now are they known: a wildcard changes the flags of a name before it.
func (a *assembler) finish(prev *Zone) []*Block {
	a.close()
	n := 0 // in prev.blocks
	for i, b := range a.blocks {
		if prev != nil {
			for n < len(prev.blocks) && bytes.Compare(prev.blocks[n].Key(0), b.Key(0)) < 0 {
				n++
			}
			if n < len(prev.blocks) && b.equal(prev.blocks[n]) {
				a.blocks[i] = prev.blocks[n]
				continue
			}
		}
		b.index()
	}
	return a.blocks
}

// hashKey is FNV-1a over a key, its bits mixed once more.
func hashKey(key []byte) uint32 {
	h := uint32(2166136261)
	for _, c := range key {
		h = (h ^ uint32(c)) * 16777619
	}
	h ^= h >> 15
	h *= 0x2c1b3c6d
	return h ^ h>>13
}
