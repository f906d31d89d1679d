package autosign

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/verify"
)

const (
	// verifyBudget is how long the signatures of a first or a large version
	// are verified before it is served.
	verifyBudget = 250 * time.Millisecond
	// smallChange is the share of its names that a version may change and still
	// be judged by the change alone: one in smallChange.
	smallChange = 10
	// batch is how many signatures are verified at a time.
	batch = 64
)

// errRefused says that a validator would not accept a version.
var errRefused = errors.New("a validator would refuse this version")

// whole stands for a verification with nothing left for later.
const whole = -1

// judgeVersion has a version judged before it is served. From is the version
// that it was made from, already judged. Rest is how many of the zone's
// signatures were verified where the others are to follow behind the swap, or whole.
func (s *signer) judgeVersion(ctx context.Context, from, next *version, m moment) (rest int, err error) {
	c := &checker{ctx: ctx, crew: s.crew, workers: s.policy.Workers, deadline: time.Now().Add(verifyBudget)}
	o := verify.Options{Now: m.now, Announced: next.announced, Beside: next.theirs, ZSKOnly: next.signed.DNSKEYSigs != nil,
		Unsigned: next.signed.Unsigned, Signatures: c.check}
	if from != nil && from.signed.Unsigned == next.signed.Unsigned {
		limit := max(next.signed.Stats().Names/smallChange, 1000)
		if names, few := changedNames(from.signed, next.signed, limit); few {
			c.all = true
			u := verify.Update{Old: view{from.signed}, New: view{next.signed}, Changed: slices.Values(names), WasAnnounced: from.announced}
			s.crew.do(s.policy.Workers, func() { _, err = verify.Changes(s.origin, u, o) })
			if err = c.end(err); !errors.Is(err, verify.ErrWhole) {
				return whole, refusal(err)
			}
		}
	}
	c.all = s.policy.Verify == policy.VerifyFull || s.faults > 0
	c.none = s.policy.Verify == policy.VerifyStructure && !c.all
	s.crew.do(s.policy.Workers, func() { _, err = verify.Zone(s.origin, records(next.signed.SignedRecords()), o) })
	if err = refusal(c.end(err)); err != nil || !c.skipped {
		return whole, err
	}
	return c.count, nil
}

func refusal(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errRefused, err)
}

// checker verifies signatures for verify, in batches and by several workers.
// The one who walks through the zone holds a place in the crew and works, too.
type checker struct {
	ctx      context.Context
	crew     *crew
	workers  int
	deadline time.Time
	all      bool // whatever the deadline
	none     bool // but those of the apex

	count   int  // signatures taken
	skipped bool // some were not
	batch   []verify.Check

	done sync.WaitGroup
	mu   sync.Mutex
	errs []error
}

// apexTypes are verified in any case: nothing validates without them.
var apexTypes = []uint16{6, 48}

// check takes a signature from verify.
func (c *checker) check(k verify.Check) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	if c.skipped || !c.all && !slices.Contains(apexTypes, k.Type) && (c.none || time.Now().After(c.deadline)) {
		if slices.Contains(apexTypes, k.Type) {
			return k.Verify()
		}
		c.skipped = true
		return nil
	}
	c.count++
	if c.batch = append(c.batch, k.Clone()); len(c.batch) == batch {
		c.send()
	}
	return nil
}

// send hands a batch to another worker, or, if all are busy, does it here.
func (c *checker) send() {
	work := c.batch
	c.batch = nil
	if !c.crew.try(strength(c.workers)) {
		c.verify(work)
		return
	}
	c.done.Go(func() {
		defer c.crew.release()
		c.verify(work)
	})
}

func (c *checker) verify(work []verify.Check) {
	for _, k := range work {
		if err := k.Verify(); err != nil {
			c.mu.Lock()
			c.errs = append(c.errs, err)
			c.mu.Unlock()
			return
		}
		giveWay()
	}
}

// end waits for the workers and joins what they found to verify's own error.
func (c *checker) end(err error) error {
	c.verify(c.batch)
	c.batch = nil
	c.done.Wait()
	found := errors.Join(append(c.errs, err)...)
	c.errs = nil
	return found
}

// checkBehind verifies the rest of a version's signatures while it is served,
// at low priority. On a fault the version before comes back under a new serial,
// and everything is signed anew.
func (s *signer) checkBehind(from, next *version, verified int) {
	if verified == whole {
		if s.behind == nil && !s.unmade {
			s.faults = 0
		}
		return
	}
	if s.behind != nil {
		s.behind()
	}
	ctx, cancel := context.WithCancel(s.loop.ctx)
	s.behind = cancel
	v := &verdict{good: from, bad: next}
	s.mu.Lock()
	s.judging = v
	s.mu.Unlock()
	s.checks.Go(func() {
		defer cancel()
		p := &patient{ctx: ctx, skip: verified}
		o := verify.Options{Now: next.made, Announced: next.announced, Beside: next.theirs, ZSKOnly: next.signed.DNSKEYSigs != nil,
			Unsigned: next.signed.Unsigned, Signatures: p.check}
		_, err := verify.Zone(s.origin, records(next.signed.SignedRecords()), o)
		if ctx.Err() == nil {
			next.sound.Store(err == nil)
			s.conclude(v, refusal(err))
		}
	})
}

// conclude hands a verdict to the next pass, unless another version is being
// judged meanwhile: that one holds all that is served.
func (s *signer) conclude(v *verdict, err error) {
	s.mu.Lock()
	current := v == s.judging
	if current {
		v.err, s.verdict = err, v
	}
	s.mu.Unlock()
	if current {
		s.loop.ask(s)
	}
}

// verdict is what verification behind the swap found.
type verdict struct {
	err  error
	good *version // before the version judged; nil: it was the first
	bad  *version
}

// takeVerdict returns what verification behind the swap found since it was
// last asked; nil when there is nothing new, or nothing wrong.
func (s *signer) takeVerdict() *verdict {
	s.mu.Lock()
	v := s.verdict
	s.verdict = nil
	current := v == s.judging
	s.mu.Unlock()
	if v == nil {
		return nil
	}
	if current {
		s.behind = nil
	}
	if v.err == nil {
		s.faults = 0
		return nil
	}
	s.faults++
	e := event.Event{Kind: event.Refused, Serial: v.bad.signed.Serial, Err: v.err, Reason: "verify",
		Why: "found while it was served; everything is signed anew"}
	if v.good != nil {
		e.Why = "found while it was served; the version before comes back, and everything is signed anew"
	}
	s.tell(e)
	return v
}

// patient verifies one signature after the other and rests in between.
type patient struct {
	ctx   context.Context
	skip  int // signatures that are verified already
	seen  int
	slice time.Time // when it last rested
}

func (p *patient) check(k verify.Check) error {
	if p.seen++; p.seen > p.skip {
		if err := k.Verify(); err != nil {
			return err
		}
		giveWay()
	}
	if p.slice.IsZero() {
		p.slice = time.Now()
	}
	if worked := time.Since(p.slice); worked >= time.Millisecond {
		rest := time.NewTimer(3 * worked)
		defer rest.Stop()
		select {
		case <-rest.C:
		case <-p.ctx.Done():
			return p.ctx.Err()
		}
		p.slice = time.Now()
	}
	return p.ctx.Err()
}
