// Package storetest is what every back end of the store port has to pass.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/autosign-dns/autosign/plugin/store"
)

// Run runs the conformance tests. open returns two handles on one new and empty
// store; for a store outside of the process they stand for two processes.
func Run(t *testing.T, open func(t *testing.T) (a, b store.Store)) {
	tests := []struct {
		name string
		test func(t *testing.T, a, b store.Store)
	}{
		{"MissingDocumentsDoNotExist", missing},
		{"SwapCreatesAndReplaces", createAndReplace},
		{"SwapOfAnotherRevisionConflicts", conflict},
		{"CreateNeverReplaces", createNeverReplaces},
		{"DeleteNeedsTheRevision", deleteNeedsRevision},
		{"ListFollowsThePrefix", list},
		{"DataIsCopied", copied},
		{"ContentsComeBackUnchanged", contents},
		{"NamesOfZonesDoNotCollide", names},
		{"OddNamesAreRefused", oddNames},
		{"EndedContextStopsEveryCall", ended},
		{"OneOfManyCreatesWins", race},
		{"ConcurrentCountersLoseNothing", counters},
		{"ReadersSeeWholeDocuments", wholeDocuments},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, b := open(t)
			test.test(t, a, b)
		})
	}
}

const doc = "example.org.state.json"

func swap(t *testing.T, s store.Store, name string, old store.Revision, data string) store.Revision {
	t.Helper()
	rev, err := s.Swap(t.Context(), name, old, []byte(data))
	if err != nil {
		t.Fatalf("Swap(%s): %v", name, err)
	}
	if rev == "" || rev == old {
		t.Fatalf("Swap(%s) returned revision %q after %q", name, rev, old)
	}
	return rev
}

func expect(t *testing.T, s store.Store, name, data string, rev store.Revision) {
	t.Helper()
	got, gotRev, err := s.Load(t.Context(), name)
	if err != nil || string(got) != data || gotRev != rev {
		t.Errorf("Load(%s) = %q, %q, %v; want %q, %q", name, got, gotRev, err, data, rev)
	}
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

func missing(t *testing.T, a, _ store.Store) {
	data, rev, err := a.Load(t.Context(), doc)
	if !errors.Is(err, store.ErrNotExist) || data != nil || rev != "" {
		t.Errorf("Load = %q, %q, %v; want nothing and ErrNotExist", data, rev, err)
	}
	wantErr(t, "Delete", a.Delete(t.Context(), doc, "x"), store.ErrNotExist)
	if names, err := a.List(t.Context(), ""); err != nil || len(names) != 0 {
		t.Errorf("List = %q, %v; want nothing", names, err)
	}
	_, err = a.Swap(t.Context(), doc, "x", []byte("new"))
	wantErr(t, "Swap of a revision that never was", err, store.ErrConflict)
}

func createAndReplace(t *testing.T, a, b store.Store) {
	first := swap(t, a, doc, "", "one")
	expect(t, b, doc, "one", first)
	second := swap(t, b, doc, first, "two")
	expect(t, a, doc, "two", second)
	expect(t, b, doc, "two", second)
}

func conflict(t *testing.T, a, b store.Store) {
	first := swap(t, a, doc, "", "one")
	second := swap(t, b, doc, first, "two")
	rev, err := a.Swap(t.Context(), doc, first, []byte("three"))
	wantErr(t, "Swap of an old revision", err, store.ErrConflict)
	if rev != "" {
		t.Errorf("a conflict returned revision %q", rev)
	}
	expect(t, a, doc, "two", second)
}

func createNeverReplaces(t *testing.T, a, b store.Store) {
	first := swap(t, a, doc, "", "one")
	_, err := b.Swap(t.Context(), doc, "", []byte("other"))
	wantErr(t, "second create", err, store.ErrConflict)
	expect(t, b, doc, "one", first)
}

func deleteNeedsRevision(t *testing.T, a, b store.Store) {
	first := swap(t, a, doc, "", "one")
	second := swap(t, a, doc, first, "two")
	wantErr(t, "Delete of an old revision", b.Delete(t.Context(), doc, first), store.ErrConflict)
	expect(t, a, doc, "two", second)
	if err := b.Delete(t.Context(), doc, second); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	_, _, err := a.Load(t.Context(), doc)
	wantErr(t, "Load after Delete", err, store.ErrNotExist)
	_, err = a.Swap(t.Context(), doc, second, []byte("three"))
	wantErr(t, "Swap after Delete", err, store.ErrConflict)
	swap(t, a, doc, "", "again")
}

func list(t *testing.T, a, b store.Store) {
	for _, name := range []string{"b.org.state.json", "a.org.state.json", "a.org.last", "root.state.json"} {
		swap(t, a, name, "", name)
	}
	tests := []struct {
		prefix string
		want   []string
	}{
		{"", []string{"a.org.last", "a.org.state.json", "b.org.state.json", "root.state.json"}},
		{"a.org.", []string{"a.org.last", "a.org.state.json"}},
		{"root.state.json", []string{"root.state.json"}},
		{"c", nil},
	}
	for _, test := range tests {
		if got, err := b.List(t.Context(), test.prefix); err != nil || !slices.Equal(got, test.want) {
			t.Errorf("List(%q) = %q, %v; want %q", test.prefix, got, err, test.want)
		}
	}
}

func copied(t *testing.T, a, _ store.Store) {
	data := []byte("one")
	rev, err := a.Swap(t.Context(), doc, "", data)
	if err != nil {
		t.Fatal(err)
	}
	data[0] = 'X'
	got, _, err := a.Load(t.Context(), doc)
	if err != nil {
		t.Fatal(err)
	}
	got[1] = 'X'
	expect(t, a, doc, "one", rev)
}

func contents(t *testing.T, a, b store.Store) {
	var every [256]byte
	for i := range every {
		every[i] = byte(i)
	}
	for i, data := range []string{"", string(every[:]), string(bytes.Repeat(every[:], 8192))} {
		name := fmt.Sprintf("doc%d.bin", i)
		expect(t, b, name, data, swap(t, a, name, "", data))
	}
}

// names checks that zones whose names look alike in some form have documents of
// their own.
func names(t *testing.T, a, b store.Store) {
	zones := []string{
		".", "root.", "example.org.", "www.example.org.", `www\.example.org.`, `a\/b.example.`,
		`a/b/example.`, `a%2Fb.example.`, `\.\.\/etc.`, `\000.example.`, `\032.example.`, `*.example.`, "xn--bcher-kva.example.",
	}
	revisions := map[string]store.Revision{}
	for _, zone := range zones {
		revisions[zone] = swap(t, a, store.Name(zone, "state.json"), "", zone)
	}
	for _, zone := range zones {
		expect(t, b, store.Name(zone, "state.json"), zone, revisions[zone])
	}
}

func oddNames(t *testing.T, a, _ store.Store) {
	for _, name := range []string{"", ".", "..", "../x", "a/b", ".hidden", "a.", "a b", "a\x00b", "ä", string(make([]byte, 300))} {
		if _, err := a.Swap(t.Context(), name, "", []byte("x")); err == nil {
			t.Errorf("Swap(%q) was not refused", name)
		}
		if _, _, err := a.Load(t.Context(), name); err == nil || errors.Is(err, store.ErrNotExist) {
			t.Errorf("Load(%q) = %v, want a refusal", name, err)
		}
		if err := a.Delete(t.Context(), name, ""); err == nil || errors.Is(err, store.ErrNotExist) {
			t.Errorf("Delete(%q) = %v, want a refusal", name, err)
		}
	}
}

func ended(t *testing.T, a, _ store.Store) {
	rev := swap(t, a, doc, "", "one")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := a.Load(ctx, doc)
	wantErr(t, "Load", err, context.Canceled)
	_, err = a.Swap(ctx, doc, rev, []byte("two"))
	wantErr(t, "Swap", err, context.Canceled)
	_, err = a.List(ctx, "")
	wantErr(t, "List", err, context.Canceled)
	wantErr(t, "Delete", a.Delete(ctx, doc, rev), context.Canceled)
	expect(t, a, doc, "one", rev)
}

func race(t *testing.T, a, b store.Store) {
	var wg sync.WaitGroup
	won := make(chan string, 8)
	for i := range 8 {
		s := []store.Store{a, b}[i%2]
		wg.Go(func() {
			data := strconv.Itoa(i)
			_, err := s.Swap(t.Context(), doc, "", []byte(data))
			if err == nil {
				won <- data
			} else if !errors.Is(err, store.ErrConflict) {
				t.Errorf("Swap: %v", err)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("%d creates succeeded, want 1", len(won))
	}
	got, _, err := a.Load(t.Context(), doc)
	if want := <-won; err != nil || string(got) != want {
		t.Errorf("Load = %q, %v; want the winner's %q", got, err, want)
	}
}

func counters(t *testing.T, a, b store.Store) {
	const writers, rounds = 4, 5
	swap(t, a, doc, "", "0")
	var wg sync.WaitGroup
	for i := range writers {
		s := []store.Store{a, b}[i%2]
		wg.Go(func() {
			for range rounds {
				if err := increment(t.Context(), s); err != nil {
					t.Errorf("increment: %v", err)
				}
			}
		})
	}
	wg.Wait()
	got, _, err := a.Load(t.Context(), doc)
	if want := strconv.Itoa(writers * rounds); err != nil || string(got) != want {
		t.Errorf("counter = %q, %v; want %s", got, err, want)
	}
}

// increment adds one by compare-and-swap, as often as it takes.
func increment(ctx context.Context, s store.Store) error {
	for {
		data, rev, err := s.Load(ctx, doc)
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(data))
		if err != nil {
			return err
		}
		_, err = s.Swap(ctx, doc, rev, []byte(strconv.Itoa(n+1)))
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

func wholeDocuments(t *testing.T, a, b store.Store) {
	page := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i)}, 64<<10) }
	rev, err := a.Swap(t.Context(), doc, "", page(0))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			data, _, err := b.Load(t.Context(), doc)
			if err != nil || len(data) != 64<<10 || bytes.Count(data, data[:1]) != len(data) {
				t.Errorf("Load gave %d octets of mixed versions, %v", len(data), err)
				return
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for i := 1; i < 20; i++ {
		if rev, err = a.Swap(t.Context(), doc, rev, page(i)); err != nil {
			t.Errorf("Swap: %v", err)
			break
		}
	}
	close(done)
	wg.Wait()
}
