package zone

import "iter"

// SigningKey is a key as its signatures are written: what an RRSIG says of it.
type SigningKey struct {
	Tag       uint16 // RFC 4034 appendix B
	Algorithm uint8
	Size      int // octets of a signature

	// ID is SHA-256 of the DNSKEY RDATA: tags may be equal, keys are not.
	ID [32]byte
}

// Sigs are the signatures of a run of owners ("slots"): slot n's signatures
// are From(n) to To(n). Raw octets are kept; the rest of an RRSIG follows from
// the RRset and the key.
type Sigs struct {
	end  []uint32 // per slot
	list []sig
	raw  []byte
}

type sig struct {
	inception, expiration uint32 // seconds, RFC 4034 section 3.1.5
	off                   uint32 // in Sigs.raw
	key                   uint16 // in Signed.Keys
}

// Sig is a view of one signature.
type Sig struct {
	Key                   int    // in Signed.Keys
	Inception, Expiration uint32 // seconds since 1970 modulo 2^32
	Raw                   []byte
}

// SigsBuilder collects signatures slot by slot.
type SigsBuilder struct{ s Sigs }

// NewSigsBuilder returns a builder with room for that many slots, signatures
// and octets.
func NewSigsBuilder(slots, sigs, octets int) *SigsBuilder {
	return &SigsBuilder{Sigs{make([]uint32, 0, slots), make([]sig, 0, sigs), make([]byte, 0, octets)}}
}

// Add adds a signature to the slot that is open; the raw octets are copied.
func (b *SigsBuilder) Add(s Sig) {
	b.s.list = append(b.s.list, sig{s.Inception, s.Expiration, uint32(len(b.s.raw)), uint16(s.Key)})
	b.s.raw = append(b.s.raw, s.Raw...)
}

// Close ends the open slot and opens the next.
func (b *SigsBuilder) Close() { b.s.end = append(b.s.end, uint32(len(b.s.list))) }

// Sigs returns what was collected.
func (b *SigsBuilder) Sigs() Sigs { return b.s }

// Slots returns the number of slots.
func (s *Sigs) Slots() int { return len(s.end) }

// Range returns the numbers of slot n's signatures.
func (s *Sigs) Range(n int) (from, to int) { return int(start(s.end, n)), int(s.end[n]) }

// At returns signature number i.
func (s *Sigs) At(i int) Sig {
	e := &s.list[i]
	end := uint32(len(s.raw))
	if i+1 < len(s.list) {
		end = s.list[i+1].off
	}
	return Sig{int(e.key), e.inception, e.expiration, s.raw[e.off:end:end]}
}

// Total returns the number of signatures.
func (s *Sigs) Total() int { return len(s.list) }

// SignedBlock is a block with its signatures. Slot j < NumSets is set j; slot
// NumSets + i is the NSEC record of name i (empty in a zone with NSEC3, and for
// names without an NSEC).
type SignedBlock struct {
	*Block
	Sigs
	// Digest is SHA-256 over names, records and signatures of the block, the
	// SOA and its signature left out.
	Digest [32]byte
	// Expiry is the earliest expiration in the block, Due the earliest moment
	// at which a signature is to be made again (seconds since 1970); 0 without
	// signatures, Never in an unsigned zone.
	Expiry, Due int64
}

// SetSigs returns the numbers of the signatures over set j.
func (b *SignedBlock) SetSigs(j int) (from, to int) { return b.Range(j) }

// NSECSigs returns the numbers of the signatures over the NSEC record of name i.
func (b *SignedBlock) NSECSigs(i int) (from, to int) { return b.Range(b.NumSets() + i) }

// Never is a moment after all that is to be done (31 December 9999, in seconds
// since 1970): when a zone without signatures expires, and is due again.
const Never int64 = 253402300799

// Signed is a zone with its signatures and its denial of existence, ready to be
// served. Immutable.
type Signed struct {
	*Zone  // with DNSKEY, CDS, CDNSKEY, NSEC3PARAM and the final SOA at the apex
	Blocks []*SignedBlock
	Keys   []SigningKey
	NSEC3  *Chain // nil: NSEC
	// Unsigned says that the zone is insecure on purpose: it has no DNSSEC record
	// but the DS sets of its delegations, no Keys, and is served like any other.
	Unsigned bool
	// DNSKEYSigs are RRSIG RDATA over DNSKEY made elsewhere (ZSK-only signing), served as they are.
	DNSKEYSigs [][]byte

	NegativeTTL uint32 // of NSEC and NSEC3 records, seconds (RFC 9077 section 3)
	Serial      uint32
	Digest      [32]byte // of all blocks and the chain, in order; without SOA
	Expiry      int64    // first expiration of a signature, seconds since 1970; Never if Unsigned
	Due         int64    // when the first signature is to be made again; Never if Unsigned
	Signatures  int

	// Basis is a digest of what signatures depend on beside the records: keys,
	// their generations, the denial. Only sign looks at it.
	Basis [32]byte
}

// HasNSEC reports whether the zone denies existence with NSEC records.
func (s *Signed) HasNSEC() bool { return s.NSEC3 == nil && !s.Unsigned }

// InNSEC reports whether a name with these flags has an NSEC record: names with
// authoritative records and cuts (RFC 4035 section 2.3).
func InNSEC(f Flags) bool { return f&(Occluded|Empty) == 0 }

// NextNSEC returns the successor of p in the NSEC chain; after the last name
// comes the apex.
func (z *Zone) NextNSEC(p Pos) Pos {
	for {
		next, ok := z.Next(p)
		if !ok {
			return Pos{}
		}
		if InNSEC(z.At(next).Flags(next.Name)) {
			return next
		}
		p = next
	}
}

// Authoritative reports whether set type typ at a name with these flags is
// signed: everything at authoritative names, only DS at cuts (RFC 4035 section 2.2).
func Authoritative(f Flags, typ uint16) bool {
	return f&Occluded == 0 && (f&Cut == 0 || typ == TypeDS)
}

// AppendRRSIG appends the RDATA of an RRSIG (RFC 4034 section 3.1).
//
//	typ     type covered
//	labels  labels of the owner, root and a leading asterisk not counted
//	ttl     original TTL
func (s *Signed) AppendRRSIG(dst []byte, g Sig, typ uint16, labels uint8, ttl uint32) []byte {
	k := s.Keys[g.Key]
	dst = append(dst, byte(typ>>8), byte(typ), k.Algorithm, labels,
		byte(ttl>>24), byte(ttl>>16), byte(ttl>>8), byte(ttl),
		byte(g.Expiration>>24), byte(g.Expiration>>16), byte(g.Expiration>>8), byte(g.Expiration),
		byte(g.Inception>>24), byte(g.Inception>>16), byte(g.Inception>>8), byte(g.Inception),
		byte(k.Tag>>8), byte(k.Tag))
	dst = append(dst, s.Origin()...)
	return append(dst, g.Raw...)
}

// OwnerLabels returns the Labels field of an RRSIG for a name with this key
// relative to the zone's origin.
func (z *Zone) OwnerLabels(key []byte) uint8 {
	n := Labels(key)
	if IsWildcard(key) {
		n--
	}
	for off := 0; z.origin[off] != 0; off += int(z.origin[off]) + 1 {
		n++
	}
	return uint8(n)
}

// SignedRecords yields the records as a transfer sends them, the closing SOA
// not repeated: SOA first, each name's RRsets with their RRSIGs and its NSEC in
// canonical order, then the NSEC3 chain. Records below a cut are included,
// unsigned; those below a DNAME are not: they must not exist (RFC 6672 section
// 2.4), and Knot refuses a zone that has them.
func (s *Signed) SignedRecords() iter.Seq[Record] {
	return func(yield func(Record) bool) {
		w := &recordWriter{s: s, yield: yield, owner: make([]byte, 0, MaxWire), rdata: make([]byte, 0, 1024)}
		for n, b := range s.Blocks {
			for i := range b.Len() {
				if !w.name(n, i) {
					return
				}
			}
		}
		if s.NSEC3 != nil {
			w.chain()
		}
	}
}

// BlockRecords yields what SignedRecords yields for block n.
func (s *Signed) BlockRecords(n int) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		w := &recordWriter{s: s, yield: yield, owner: make([]byte, 0, MaxWire), rdata: make([]byte, 0, 1024)}
		for i := range s.Blocks[n].Len() {
			if !w.name(n, i) {
				return
			}
		}
	}
}

// ChainRecords yields the NSEC3 records of bucket n with their RRSIGs.
func (s *Signed) ChainRecords(n int) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		w := &recordWriter{s: s, yield: yield, owner: make([]byte, 0, MaxWire), rdata: make([]byte, 0, 1024)}
		w.bucket(n)
	}
}

// NameRecords yields what SignedRecords yields for the name at p.
func (s *Signed) NameRecords(p Pos) iter.Seq[Record] {
	return func(yield func(Record) bool) { s.writer(yield).name(p.Block, p.Name) }
}

// HashRecords yields the NSEC3 record at p of the chain with its RRSIGs.
func (s *Signed) HashRecords(p Pos) iter.Seq[Record] {
	return func(yield func(Record) bool) { s.writer(yield).hash(p) }
}

func (s *Signed) writer(yield func(Record) bool) *recordWriter {
	return &recordWriter{s: s, yield: yield, owner: make([]byte, 0, MaxWire), rdata: make([]byte, 0, 1024)}
}

// recordWriter turns a signed zone into records.
type recordWriter struct {
	s            *Signed
	yield        func(Record) bool
	owner, rdata []byte
}

func (w *recordWriter) name(n, i int) bool {
	b := w.s.Blocks[n]
	if b.Flags(i)&BelowRedirect != 0 {
		return true
	}
	w.owner = w.s.AppendName(w.owner[:0], Pos{n, i})
	labels := w.s.OwnerLabels(b.Key(i))
	if soa := b.FindSet(i, TypeSOA); soa >= 0 {
		if !w.set(b, soa, labels) {
			return false
		}
	}
	from, to := b.Sets(i)
	for j := from; j < to; j++ {
		if b.SetType(j) != TypeSOA && !w.set(b, j, labels) {
			return false
		}
	}
	if !w.s.HasNSEC() || !InNSEC(b.Flags(i)) {
		return true
	}
	w.rdata = w.s.AppendNSEC(w.rdata[:0], Pos{n, i})
	if !w.yield(Record{w.owner, TypeNSEC, w.s.NegativeTTL, w.rdata}) {
		return false
	}
	sigs, end := b.NSECSigs(i)
	return w.sigs(&b.Sigs, sigs, end, TypeNSEC, labels, w.s.NegativeTTL)
}

func (w *recordWriter) set(b *SignedBlock, j int, labels uint8) bool {
	set := b.Set(j)
	if !yieldSet(set, w.owner, w.yield) {
		return false
	}
	from, to := b.SetSigs(j)
	if !w.sigs(&b.Sigs, from, to, set.Type, labels, set.TTL) {
		return false
	}
	if set.Type != TypeDNSKEY || len(b.Key(0)) != 0 {
		return true
	}
	for _, rd := range w.s.DNSKEYSigs {
		if !w.yield(Record{w.owner, TypeRRSIG, set.TTL, rd}) {
			return false
		}
	}
	return true
}

func (w *recordWriter) sigs(s *Sigs, from, to int, typ uint16, labels uint8, ttl uint32) bool {
	for k := from; k < to; k++ {
		w.rdata = w.s.AppendRRSIG(w.rdata[:0], s.At(k), typ, labels, ttl)
		if !w.yield(Record{w.owner, TypeRRSIG, ttl, w.rdata}) {
			return false
		}
	}
	return true
}

func (w *recordWriter) chain() bool {
	for n := range w.s.NSEC3.Buckets {
		if !w.bucket(n) {
			return false
		}
	}
	return true
}

func (w *recordWriter) bucket(n int) bool {
	for i := range w.s.NSEC3.Buckets[n].Len() {
		if !w.hash(Pos{n, i}) {
			return false
		}
	}
	return true
}

// hash yields the NSEC3 record at p with its signatures.
func (w *recordWriter) hash(p Pos) bool {
	c := w.s.NSEC3
	w.owner = c.AppendOwner(w.owner[:0], p, w.s.Origin())
	w.rdata = c.AppendRData(w.rdata[:0], p)
	if !w.yield(Record{w.owner, TypeNSEC3, w.s.NegativeTTL, w.rdata}) {
		return false
	}
	b := c.Buckets[p.Block]
	from, to := b.Range(p.Name)
	return w.sigs(&b.Sigs, from, to, TypeNSEC3, w.s.OwnerLabels(nil)+1, w.s.NegativeTTL)
}
