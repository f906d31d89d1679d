package sign

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/autosign-dns/autosign/plugin/denial"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// Plan is one pass over a zone: what has to be signed, and what of the version
// before is shared. Its jobs may run at once; everything else is for one
// goroutine at a time.
type Plan struct {
	in       Input
	origin   []byte
	zone     *zone.Zone // with its apex sets, the SOA still the source's
	chain    *zone.Chain
	schedule schedule
	negative uint32 // NegativeTTL
	basis    [32]byte

	presignedExpiry int64 // first expiration of the source's valid RRSIGs over DNSKEY

	prev     *zone.Signed
	prevKeys []int                // key of the version before -> Input.Keys, or -1
	prevAt   map[*zone.Block]int  // number of a block of the version before
	prevBkt  map[*zone.Bucket]int // number of a bucket of the version before
	sameKeys bool                 // prevKeys changes nothing

	blocks  []*zone.SignedBlock // results; nil: not yet
	buckets []*zone.Bucket
	jobs    []Job
	made    []int // signatures of each job
	sealed  int   // signatures made by Seal
}

// Job is a part of a plan's work: a block of names or a bucket of the NSEC3 chain.
type Job struct {
	plan  *Plan
	id    int  // in Plan.made
	n     int  // the block or bucket
	chain bool // it is a bucket
}

// NewPlan checks the input, adds what signing puts at the apex, builds the
// denial of existence and finds the parts of the zone in which something may
// have to be signed. The rest is shared with the previous version.
func NewPlan(in Input) (*Plan, error) {
	p := &Plan{in: in, origin: in.Zone.Origin()}
	if err := p.prepare(); err != nil {
		return nil, fmt.Errorf("%s: %w", zone.Text(p.origin), err)
	}
	return p, nil
}

func (p *Plan) prepare() error {
	if err := p.check(); err != nil {
		return err
	}
	p.schedule = p.newSchedule()
	sets, err := p.apexSets()
	if err != nil {
		return err
	}
	p.zone = p.in.Zone.WithApex(sets)
	p.negative = negativeTTL(p.zone)
	p.basis = p.newBasis()
	if prev := p.in.Previous; prev != nil && slices.Equal(prev.Origin(), p.origin) {
		p.compare(prev)
	}
	if p.in.Denial.NSEC3 {
		if p.chain, err = denial.Build(p.zone, p.in.Denial, p.in.Salt, p.prev); err != nil {
			return err
		}
	}
	p.shareBlocks()
	p.shareBuckets()
	p.made = make([]int, len(p.jobs))
	return nil
}

// check reports what cannot be carried out.
func (p *Plan) check() error {
	if p.in.Unsigned {
		p.in.Denial = policy.Denial{}
		return p.checkUnsigned()
	}
	return errors.Join(p.checkKeys(), p.checkGenerations(), denial.Check(p.origin, p.in.Denial))
}

// negativeTTL returns the TTL of NSEC and NSEC3 records (RFC 9077 section 3).
func negativeTTL(z *zone.Zone) uint32 {
	soa, ttl := z.SOA()
	return min(ttl, binary.BigEndian.Uint32(soa[len(soa)-4:]))
}

// compare relates the keys and parts of the previous version to this plan's.
func (p *Plan) compare(prev *zone.Signed) {
	p.prev = prev
	p.sameKeys = true
	for i, old := range prev.Keys {
		n := slices.IndexFunc(p.in.Keys, func(k Key) bool { return k.ID == old.ID })
		p.prevKeys = append(p.prevKeys, n)
		p.sameKeys = p.sameKeys && n == i
	}
	p.prevAt = make(map[*zone.Block]int, len(prev.Blocks))
	for n, b := range prev.Blocks {
		p.prevAt[b.Block] = n
	}
	if prev.NSEC3 != nil {
		p.prevBkt = make(map[*zone.Bucket]int, len(prev.NSEC3.Buckets))
		for n, b := range prev.NSEC3.Buckets {
			p.prevBkt[b] = n
		}
	}
}

// newBasis returns the digest of what the signatures of all blocks but the
// apex, which is made anew each time, depend on beside the records. Keys that do
// not sign the zone are not in it, nor who signs DNSKEY: a key comes or goes
// without a look at every name.
func (p *Plan) newBasis() (sum [32]byte) {
	h := sha256.New()
	number := func(v int64) { h.Write(binary.BigEndian.AppendUint64(nil, uint64(v))) }
	number(int64(len(p.in.Generations))) // none: an unsigned zone
	for n, g := range p.in.Generations {
		if n > 0 { // the oldest takes what nothing newer has taken, whenever it began
			number(g.Since.Unix())
		}
		number(seconds(g.Validity))
		number(seconds(g.ValidityDNSKEY))
		number(seconds(g.Refresh))
		number(int64(len(g.ZoneSigners)))
		for _, k := range g.ZoneSigners {
			number(int64(k)) // its place is what a stored signature names
			h.Write(p.in.Keys[k].ID[:])
		}
	}
	number(int64(p.negative))
	if p.in.Denial.NSEC3 {
		number(int64(p.in.Denial.Iterations))
		h.Write(p.in.Salt)
		if p.in.Denial.OptOut {
			number(1)
		}
	}
	h.Sum(sum[:0])
	return sum
}

// shareBlocks takes over the blocks in which nothing can have changed and makes
// jobs of the others.
func (p *Plan) shareBlocks() {
	p.blocks = make([]*zone.SignedBlock, len(p.zone.Blocks()))
	for n, b := range p.zone.Blocks() {
		old := p.previousBlock(b)
		if old != nil && p.prev.Basis == p.basis && old.Due > p.schedule.now && p.sameSuccessor(n, p.prevAt[b]) {
			p.blocks[n] = old
			continue
		}
		p.jobs = append(p.jobs, Job{p, len(p.jobs), n, false})
	}
}

// previousBlock returns the previous version's signed form of a block; nil if
// it had another.
func (p *Plan) previousBlock(b *zone.Block) *zone.SignedBlock {
	if n, ok := p.prevAt[b]; ok {
		return p.prev.Blocks[n]
	}
	return nil
}

// sameSuccessor reports whether the last NSEC record in a shared block, if it
// has one, still names the same successor. Old is the block's number in the
// previous version.
func (p *Plan) sameSuccessor(n, old int) bool {
	if p.in.Unsigned {
		return true
	}
	if p.chain != nil || p.prev.NSEC3 != nil {
		return (p.chain != nil) == (p.prev.NSEC3 != nil)
	}
	last := zone.Pos{Block: n, Name: p.zone.Blocks()[n].Len() - 1}
	before := zone.Pos{Block: old, Name: last.Name}
	a, b := p.zone.NextNSEC(last), p.prev.NextNSEC(before)
	return slices.Equal(p.zone.At(a).Key(a.Name), p.prev.At(b).Key(b.Name))
}

// shareBuckets is shareBlocks for the NSEC3 chain.
func (p *Plan) shareBuckets() {
	if p.chain == nil {
		return
	}
	p.buckets = make([]*zone.Bucket, len(p.chain.Buckets))
	for n, b := range p.chain.Buckets {
		if p.sharedBucket(n, b) {
			p.buckets[n] = b
			continue
		}
		p.jobs = append(p.jobs, Job{p, len(p.jobs), n, true})
	}
}

func (p *Plan) sharedBucket(n int, b *zone.Bucket) bool {
	old, ok := p.prevBkt[b]
	if !ok || p.prev.Basis != p.basis || b.Len() > 0 && b.Due <= p.schedule.now {
		return false
	}
	if b.Len() == 0 {
		return true
	}
	last := b.Len() - 1
	return slices.Equal(p.chain.NextHash(zone.Pos{Block: n, Name: last}), p.prev.NSEC3.NextHash(zone.Pos{Block: old, Name: last}))
}

// Jobs returns the jobs to run before Assemble; a job's number of signatures
// can be anything from none to a few thousand.
func (p *Plan) Jobs() []Job { return p.jobs }

// Run makes the job's signatures. Each job runs once.
func (j Job) Run() error {
	e := &engine{plan: j.plan}
	defer func() { j.plan.made[j.id] = e.made }()
	if j.chain {
		return e.bucket(j.n)
	}
	return e.block(j.n)
}

// Signatures returns how many signatures were made, those of Seal included.
func (p *Plan) Signatures() int {
	n := p.sealed
	for _, made := range p.made {
		n += made
	}
	return n
}
