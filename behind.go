package autosign

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/lastgood"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// saver puts copies on disk behind the passes. While it writes one, only the
// newest of those that come is kept.
type saver struct {
	mu      sync.Mutex
	running bool
	next    *lastgood.Copy
	done    sync.WaitGroup
}

// save has a copy written, and returns at once.
func (w *saver) save(s *signer, c lastgood.Copy) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next = &c
	if !w.running {
		w.running = true
		w.done.Go(func() { w.run(s) })
	}
}

func (w *saver) run(s *signer) {
	for {
		w.mu.Lock()
		c := w.next
		w.next = nil
		if c == nil {
			w.running = false
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		if err := s.copies.Save(s.docs.name, *c); err != nil {
			s.tell(event.Event{Kind: event.Warned, Why: "the last good copy on disk is not the newest", Err: err})
		}
	}
}

// wait waits until everything is on disk.
func (w *saver) wait() { w.done.Wait() }

// digests are those of a zone's blocks; a version computes only what differs
// from the one before.
type digests map[*zone.Block][32]byte

// sum returns the digest of a zone's records, in hexadecimal.
func (d *digests) sum(z *zone.Zone) string {
	next := make(digests, len(z.Blocks()))
	all := sha256.New()
	for _, b := range z.Blocks() {
		sum, ok := (*d)[b]
		if !ok {
			sum = digestBlock(b)
		}
		next[b] = sum
		all.Write(sum[:])
	}
	*d = next
	return hex.EncodeToString(all.Sum(nil))
}

func digestBlock(b *zone.Block) (sum [32]byte) {
	h := sha256.New()
	for i := range b.Len() {
		from, to := b.Sets(i)
		key := b.Key(i)
		h.Write([]byte{byte(len(key) >> 8), byte(len(key)), byte((to - from) >> 8), byte(to - from)})
		h.Write(key)
		for j := from; j < to; j++ {
			s := b.Set(j)
			h.Write([]byte{byte(s.Type >> 8), byte(s.Type), byte(s.Count >> 8), byte(s.Count),
				byte(s.TTL >> 24), byte(s.TTL >> 16), byte(s.TTL >> 8), byte(s.TTL)})
			h.Write(s.Data)
		}
	}
	h.Sum(sum[:0])
	return sum
}
