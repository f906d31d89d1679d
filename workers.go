package autosign

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/autosign-dns/autosign/plugin/sign"
)

// crew does the heavy work of all zones of the process: a bounded number of
// goroutines, so that questions are answered meanwhile.
type crew struct {
	mu   sync.Mutex
	free sync.Cond
	busy int
}

// hands is the process's crew.
var hands = newCrew()

func newCrew() *crew {
	c := &crew{}
	c.free.L = &c.mu
	return c
}

// serving counts the zones of the process that have a signed copy. Before the
// first there is nobody to be slowed.
var serving atomic.Int64

// strength returns how many may work at once: as many as configured, or else
// all cores before anything is served, and one less while serving.
func strength(configured int) int {
	switch n := runtime.GOMAXPROCS(0); {
	case configured > 0:
		return configured
	case serving.Load() > 0:
		return max(n-1, 1)
	default:
		return n
	}
}

// acquire waits for a place among at most limit workers.
func (c *crew) acquire(limit int) {
	c.mu.Lock()
	for c.busy >= limit {
		c.free.Wait()
	}
	c.busy++
	c.mu.Unlock()
}

// try is acquire that does not wait.
func (c *crew) try(limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy >= limit {
		return false
	}
	c.busy++
	return true
}

func (c *crew) release() {
	c.mu.Lock()
	c.busy--
	c.free.Broadcast()
	c.mu.Unlock()
}

// do runs f as one of the workers.
func (c *crew) do(configured int, f func()) {
	c.acquire(strength(configured))
	defer c.release()
	f()
}

// each runs f for the numbers below n, several at once, until one fails or the
// context ends; the error is the first.
func (c *crew) each(ctx context.Context, configured, n int, f func(int) error) error {
	var (
		next   atomic.Int64
		failed atomic.Bool
		done   sync.WaitGroup
		mu     sync.Mutex
		errs   []error
	)
	for range min(strength(configured), n) {
		done.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && !failed.Load() && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				c.do(configured, func() {
					if err := f(i); err != nil {
						failed.Store(true)
						mu.Lock()
						errs = append(errs, err)
						mu.Unlock()
					}
				})
			}
		})
	}
	done.Wait()
	return errors.Join(append(errs, ctx.Err())...)
}

// sign runs the jobs of a plan.
func (c *crew) sign(ctx context.Context, configured int, jobs []sign.Job) error {
	return c.each(ctx, configured, len(jobs), func(i int) error { return jobs[i].Run() })
}
