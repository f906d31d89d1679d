package memory_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/autosign-dns/autosign/plugin/store"
	"github.com/autosign-dns/autosign/plugin/store/memory"
	"github.com/autosign-dns/autosign/plugin/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) (a, b store.Store) {
		s := memory.New()
		return s, s
	})
}

var errDisk = errors.New("disk on fire")

// once fails the first call of an operation.
func once(want memory.Op) func(memory.Op, string) error {
	var mu sync.Mutex
	done := false
	return func(op memory.Op, _ string) error {
		mu.Lock()
		defer mu.Unlock()
		if op != want || done {
			return nil
		}
		done = true
		return errDisk
	}
}

// TestHooks_FailurePairs fails every call twice: before it does anything, and
// after it has done everything.
func TestHooks_FailurePairs(t *testing.T) {
	const name = "example.org.state.json"
	calls := map[memory.Op]func(ctx context.Context, s *memory.Store, rev store.Revision) error{
		memory.Load: func(ctx context.Context, s *memory.Store, _ store.Revision) error {
			data, rev, err := s.Load(ctx, name)
			if data != nil || rev != "" {
				t.Error("Load gave a document and an error")
			}
			return err
		},
		memory.Swap: func(ctx context.Context, s *memory.Store, rev store.Revision) error {
			rev, err := s.Swap(ctx, name, rev, []byte("two"))
			if rev != "" {
				t.Error("Swap gave a revision and an error")
			}
			return err
		},
		memory.List: func(ctx context.Context, s *memory.Store, _ store.Revision) error {
			names, err := s.List(ctx, "")
			if names != nil {
				t.Error("List gave names and an error")
			}
			return err
		},
		memory.Delete: func(ctx context.Context, s *memory.Store, rev store.Revision) error {
			return s.Delete(ctx, name, rev)
		},
	}
	after := map[memory.Op]string{memory.Load: "one", memory.Swap: "two", memory.List: "one", memory.Delete: ""}
	for op, call := range calls {
		for _, told := range []bool{false, true} {
			s := memory.New()
			rev, err := s.Swap(t.Context(), name, "", []byte("one"))
			if err != nil {
				t.Fatal(err)
			}
			want := "one"
			if told {
				s.SetHooks(memory.Hooks{After: once(op)})
				want = after[op]
			} else {
				s.SetHooks(memory.Hooks{Before: once(op)})
			}
			if err := call(t.Context(), s, rev); !errors.Is(err, errDisk) {
				t.Errorf("%s: error %v, want that of the hook", op, err)
			}
			s.SetHooks(memory.Hooks{})
			data, _, err := s.Load(t.Context(), name)
			if string(data) != want || (want == "") != errors.Is(err, store.ErrNotExist) {
				t.Errorf("%s, done but not told %v: the store holds %q, %v; want %q", op, told, data, err, want)
			}
		}
	}
}

// TestHooks_RetryOfADoneSwapConflicts is what callers must tolerate: after
// "done but not told" their own change looks like another's.
func TestHooks_RetryOfADoneSwapConflicts(t *testing.T) {
	s := memory.New()
	s.SetHooks(memory.Hooks{After: once(memory.Swap)})
	if _, err := s.Swap(t.Context(), "x.json", "", []byte("one")); !errors.Is(err, errDisk) {
		t.Fatalf("Swap: %v", err)
	}
	if _, err := s.Swap(t.Context(), "x.json", "", []byte("one")); !errors.Is(err, store.ErrConflict) {
		t.Errorf("the same Swap again: %v, want ErrConflict", err)
	}
}

// TestHooks_BeforeMayUseTheStore lets another writer in at the worst moment.
func TestHooks_BeforeMayUseTheStore(t *testing.T) {
	s := memory.New()
	rev, err := s.Swap(t.Context(), "x.json", "", []byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	s.SetHooks(memory.Hooks{Before: func(op memory.Op, name string) error {
		s.SetHooks(memory.Hooks{})
		_, err := s.Swap(context.WithoutCancel(t.Context()), name, rev, []byte("other"))
		return err
	}})
	if _, err := s.Swap(t.Context(), "x.json", rev, []byte("mine")); !errors.Is(err, store.ErrConflict) {
		t.Errorf("Swap = %v, want ErrConflict", err)
	}
}
