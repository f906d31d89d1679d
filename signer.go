package autosign

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/lastgood"
	"github.com/autosign-dns/autosign/plugin/metrics"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/sign"
	"github.com/autosign-dns/autosign/plugin/source"
	"github.com/autosign-dns/autosign/plugin/state"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// copies keeps the last published records of zones: lastgood.Dir.
type copies interface {
	Save(name string, c lastgood.Copy) error
	Load(name string) (lastgood.Copy, error)
}

// version is a signed copy that is served, with what it was made of.
type version struct {
	signed    *zone.Signed
	content   *zone.Zone // as it came from the source
	announced [][]byte   // DNSKEY RDATA of keys that sign without being published
	theirs    [][]byte   // DNSKEY RDATA of keys of other views that CDS names
	made      time.Time
	sound     *atomic.Bool // all of it has been verified; shared by versions that small changes lie between

	shape string    // of the document that it was made of, as it was stored; empty: it was not
	since time.Time // since when a version of this shape is served
	due   int64     // when a signature has to be made, seconds since 1970
}

func newVersion(signed *zone.Signed, content *zone.Zone, r *ring, made time.Time) *version {
	return &version{signed: signed, content: content, announced: r.announced(), theirs: r.theirs, made: made, sound: new(atomic.Bool), due: signed.Due}
}

// signer keeps the signed copy of one zone in one view. The handler reads what
// is served; everything else belongs to the pass, of which one runs at a time.
type signer struct {
	zone   string // origin, with the final dot
	origin []byte // wire form, lower case
	view   string
	policy policy.Policy // of the configuration
	asOf   time.Time     // modification time of the configuration
	dir    string        // of the keys and the state
	path   string        // of the source

	source     source.Source
	docs       documents
	box        keyBox
	copies     copies
	parent     asker
	freshStore bool // the store was empty when this process opened it
	clock      *clock
	crew       *crew

	served atomic.Pointer[version] // nil until first signed
	life   atomic.Pointer[life]    // nil until the keys were looked at
	beyond

	// The loop's, under its lock.
	loop       *loop
	busy, more bool
	unread     bool // the pass failed before it read the source: it is tried again in its time

	// Under mu: who tells secondaries, who waits for a pass, and what verification
	// behind the swap found.
	mu      sync.Mutex
	notify  []*notifier
	waiting []chan error
	verdict *verdict
	judging *verdict // of the verification that is under way, or was the last

	// The pass's.
	seen      source.Generation // the state of the source that was last looked at
	pending   *snapshot         // content that is not published yet
	good      *lastgood.Copy    // what the disk had at start; nil when it was read and of no use
	goodRead  bool
	effective policy.Policy      // that is in force
	spares    []state.Spare      // keys that were made, and may not be noted in the state
	again     time.Time          // when something is to be tried again that did not keep the pass from going on; zero: nothing is
	looked    bool               // the document was looked at by this process
	doubted   bool               // the clock, in the pass before
	retries   retries            // of passes that failed
	lost      string             // why the source was of no use, as it was told last
	warned    map[string]bool    // what was told of the content
	waits     map[string]string  // what keys wait for, as it was told
	wroteDS   string             // DS records that were put beside the keys
	ours      string             // digest of the claim that this process made last
	blocks    digests            // of the source's blocks
	saver     saver              // puts copies on disk behind the pass
	checks    sync.WaitGroup     // verification behind the swap
	faults    int                // versions in a row that verification behind the swap refused
	unmade    bool               // signatures of the version before must not be taken over
	unclaimed bool               // what is served has no serial of its own in the state
	recheck   bool               // what is served is of an earlier instance, which did not verify all of it
	behind    context.CancelFunc // of the verification behind the swap that is under way; nil: none is
}

// maxWarned bounds the warnings that are remembered, each to be told once.
const maxWarned = 100

// snapshot is content on its way to be published.
type snapshot struct {
	zone   *zone.Zone
	serial uint32 // of its SOA
}

// raises reports whether the source's serial is past one that is published.
// Zero is no serial to publish under (sign.NextSerial).
func (c *snapshot) raises(serial uint32) bool {
	return c.serial != 0 && sign.SerialAfter(c.serial, serial)
}

// label names the zone on the agenda and beside its files.
func (s *signer) label() string {
	if s.view == "" {
		return s.zone
	}
	return s.zone + " in view " + s.view
}

// excuse says why there is no answer yet. Clients read it, so it names nothing
// of the inside.
func (s *signer) excuse() string { return "the zone is not signed yet" }

// ready reports whether validators accept what is served.
func (s *signer) ready(now time.Time) bool {
	v := s.served.Load()
	return v != nil && now.Unix() < v.signed.Expiry
}

// sourceChanged reports whether the source is to be looked at.
func (s *signer) sourceChanged() bool { return s.source.Changed(s.seen) }

// tell makes an event: a log line and a metric. What failed because its work was
// called off is none.
func (s *signer) tell(e event.Event) {
	if errors.Is(e.Err, context.Canceled) {
		return // the server stops, or its configuration was replaced
	}
	e.Zone, e.View, e.At = s.zone, s.view, s.clock.now()
	switch e.Kind.Severity() {
	case event.Error:
		log.Error(e.String())
	case event.Warning:
		log.Warning(e.String())
	default:
		log.Info(e.String())
	}
	metrics.Observe(e)
}

// warnOnce tells something that is true again and again only the first time.
func (s *signer) warnOnce(text string) {
	if s.warned == nil {
		s.warned = map[string]bool{}
	}
	if len(s.warned) >= maxWarned {
		clear(s.warned)
	}
	if !s.warned[text] {
		s.warned[text] = true
		s.tell(event.Event{Kind: event.Warned, Why: text})
	}
}

// takeOver goes on with the signed copy of an earlier instance, so that a
// reload of CoreDNS leaves no gap.
func (s *signer) takeOver(from *signer) {
	if v := from.served.Load(); v != nil {
		s.serve(v)
		s.recheck = !v.sound.Load()
	}
	s.watch.takeOver(&from.watch)
	s.wanted.Store(from.wanted.Load())
	s.life.Store(from.life.Load())
}

// serve puts a version into service.
func (s *signer) serve(v *version) {
	if s.served.Swap(v) == nil {
		serving.Add(1)
	}
}

// retire ends the zone's service in this instance.
func (s *signer) retire() {
	s.checks.Wait()
	s.saver.wait()
	if s.served.Load() != nil {
		serving.Add(-1)
	}
	if !running(identity{s.zone, s.view}) {
		metrics.Forget(s.zone, s.view)
	}
}

// Sign has a pass that signs what the source holds now, and waits for the outcome.
func (s *signer) Sign(ctx context.Context) error {
	done := make(chan error, 1)
	s.mu.Lock()
	s.waiting = append(s.waiting, done)
	s.mu.Unlock()
	s.loop.ask(s)
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%s: sign: %w", s.zone, ctx.Err())
	case <-s.loop.ctx.Done():
		return fmt.Errorf("%s: sign: %w: the server stops, or its configuration was replaced", s.zone, s.loop.ctx.Err())
	}
}

// notifyBy has the secondaries of another server block told of new versions.
func (s *signer) notifyBy(n *notifier) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notify = append(s.notify, n)
}

// notifiers returns who tells secondaries; without any the zone is not handed out.
func (s *signer) notifiers() []*notifier {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.notify)
}

// takeWaiting returns who waits for a pass.
func (s *signer) takeWaiting() (list []chan error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list, s.waiting = s.waiting, nil
	return list
}

// pass works on the zone once: reads the source if it changed, brings the keys
// to the moment, signs what is due, publishes. What fails leaves the version
// served as it is, and is tried again.
func (s *signer) pass(ctx context.Context) {
	asked := s.takeWaiting()
	began := s.clock.now()
	next, err := s.work(ctx, len(asked) > 0)
	if ctx.Err() != nil {
		err = errors.Join(err, ctx.Err())
	}
	var due, retry time.Time
	news := false
	now := s.clock.now()
	if v := s.served.Load(); v != nil {
		due = afterPass(time.Unix(v.due, 0), began, now)
	}
	if !next.IsZero() {
		next = afterPass(next, began, now)
	}
	if err == nil {
		s.retries.succeed()
		metrics.Succeed(s.zone, s.view, now)
	} else {
		retry, news = s.retries.fail(err, now)
	}
	s.loop.plan(s, due, next, retry)
	s.unread = err != nil && s.sourceChanged()
	if news && ctx.Err() == nil {
		s.tellFailed(err, retry)
	}
	for _, w := range asked {
		w <- err
	}
}

// afterPass returns when to do what was due at a moment, once a pass is over that
// may have done it. What came due while the pass was at work it has not seen.
// What was due before was tried: it could not be done, or there was nothing to do.
func afterPass(due, began, now time.Time) time.Time {
	switch {
	case due.After(now):
		return due
	case due.After(began):
		return now
	}
	return now.Add(time.Minute)
}

// work is pass without its bookkeeping; next is when a key is to do something.
func (s *signer) work(ctx context.Context, asked bool) (next time.Time, err error) {
	var doc *state.Document
	for range maxTurns {
		if doc, err = s.docs.load(ctx); err == nil {
			err = s.checkHistory(doc)
		}
		if err != nil {
			doc = nil
			break
		}
		if next, err = s.advance(ctx, doc, asked); !errors.Is(err, errOvertaken) {
			break
		}
	}
	if errors.Is(err, errStore) {
		err = errors.Join(err, s.withoutState(ctx, doc))
	}
	return next, err
}

// advance does a pass with a document that can be used.
func (s *signer) advance(ctx context.Context, doc *state.Document, asked bool) (next time.Time, err error) {
	m := s.judge(doc)
	if s.recheck {
		s.recheck = false
		s.checkBehind(nil, s.served.Load(), 0)
	}
	first := s.needsFirst(doc)
	var said <-chan delegation
	if first {
		said = s.askParent(ctx)
	}
	content, err := s.content(ctx, asked)
	if err != nil {
		return m.frozen, err
	}
	s.lookAtOthers(ctx)
	if first {
		if doc, err = s.firstKeys(ctx, doc, content.zone.Presigned != nil, said, m); err != nil {
			return time.Time{}, err
		}
	}
	if doc, err = s.strayKeys(ctx, doc, content.zone, m); err != nil {
		return m.frozen, err
	}
	if doc, err = s.moveKeys(ctx, doc, m); err != nil {
		return m.frozen, err
	}
	for range maxTurns {
		if err = s.show(ctx, doc, content, m); err != nil {
			break
		}
		moved := false
		if doc, moved, err = s.confirm(ctx, doc, m); err != nil || !moved {
			break
		}
	}
	if doc == nil {
		return m.frozen, err
	}
	if err == nil {
		s.writeDS(ctx, doc)
		s.noteTimes(ctx, doc, m)
	}
	return s.nextTurn(doc), err
}

// show makes a version of content with the keys of a document, and puts it
// into service.
func (s *signer) show(ctx context.Context, doc *state.Document, content *snapshot, m moment) error {
	r, err := s.ring(ctx, doc, s.box.known)
	if err != nil {
		return err
	}
	if err = s.comeBack(ctx, doc, r, content, m); err != nil {
		return err
	}
	err = s.publish(ctx, doc, r, content, m, s.previous(m))
	if content != s.pending {
		return err
	}
	if err == nil {
		s.pending = nil
		return nil
	}
	v := s.served.Load()
	if v == nil || ctx.Err() != nil || errors.Is(err, errOvertaken) {
		return err
	}
	if v.due <= m.sign.Unix() || v.shape != r.shape {
		// The new content will not do; what is served has to be kept fresh, and
		// goes with the keys.
		old := &snapshot{v.content, soaSerial(v.content)}
		err = errors.Join(err, s.publish(ctx, doc, r, old, m, s.previous(m)))
	}
	return err
}

// comeBack puts the version before back into service when verification behind
// the swap found a fault, and has everything signed anew. The content at hand
// is pending until that has succeeded: the source will not bring it again.
func (s *signer) comeBack(ctx context.Context, doc *state.Document, r *ring, content *snapshot, m moment) error {
	v := s.takeVerdict()
	if v == nil {
		return nil
	}
	s.unmade = true
	if v.good == nil {
		return nil
	}
	if s.pending == nil {
		s.pending = content
	}
	return s.publish(ctx, doc, r, &snapshot{v.good.content, soaSerial(v.good.content)}, m, v.good)
}

// previous returns the version whose signatures may be taken over.
func (s *signer) previous(m moment) *version {
	if m.back || s.unmade {
		return nil
	}
	return s.served.Load()
}

// checkHistory refuses a document that is older than what was published: it was
// restored from a backup, and its serials and keys are those of the past.
func (s *signer) checkHistory(doc *state.Document) error {
	if v := s.served.Load(); v != nil {
		return notPast(doc, v.signed.Serial)
	} else if s.lastGood() != nil {
		return notPast(doc, s.good.Serial)
	}
	return nil
}

// notPast refuses a document that does not know of a serial that was published.
func notPast(doc *state.Document, known uint32) error {
	last, claimed := doc.Last()
	if !claimed || sign.SerialAfter(known, last.Serial) {
		return fmt.Errorf("%w: %w: it knows of serial %d at most, and %d has been published: "+
			"put back the right document, or, if it is lost, remove the last good copy of the zone too, and restart", errStore, errOldState, last.Serial, known)
	}
	return nil
}

// errOldState says that a document of the past was put back.
var errOldState = errors.New("the document is older than what is published")
