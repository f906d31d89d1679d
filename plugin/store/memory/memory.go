// Package memory is a store in memory: for tests, with failures on demand.
package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/autosign-dns/autosign/plugin/store"
)

// Op names a call of the store for Hooks.
type Op string

// The calls of a store.
const (
	Load   Op = "load"
	Swap   Op = "swap"
	List   Op = "list"
	Delete Op = "delete"
)

// Hooks make a store fail on demand. Before is asked before the call does its
// work: an error means "not done". After is asked when the work is done: an
// error means "done, but not told". Hooks may be called concurrently and must
// not call the store, except that Before may: it runs outside of the lock.
type Hooks struct {
	Before func(op Op, name string) error
	After  func(op Op, name string) error
}

// Store is a store.Store in memory. The zero value is not usable; see New.
type Store struct {
	mu    sync.Mutex
	docs  map[string]document
	count uint64 // of all changes; gives revisions that never repeat
	hooks Hooks
}

type document struct {
	data     []byte
	revision store.Revision
}

var _ store.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store { return &Store{docs: map[string]document{}} }

// SetHooks replaces the hooks; Hooks{} removes them.
func (s *Store) SetHooks(h Hooks) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks = h
}

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, name string) (data []byte, rev store.Revision, err error) {
	err = s.do(ctx, Load, name, func() error {
		doc, ok := s.docs[name]
		if !ok {
			return fmt.Errorf("load %s: %w", name, store.ErrNotExist)
		}
		data, rev = slices.Clone(doc.data), doc.revision
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return data, rev, nil
}

// Swap implements store.Store.
func (s *Store) Swap(ctx context.Context, name string, old store.Revision, data []byte) (rev store.Revision, err error) {
	err = s.do(ctx, Swap, name, func() error {
		if s.docs[name].revision != old {
			return fmt.Errorf("swap %s: %w", name, store.ErrConflict)
		}
		s.count++
		rev = store.Revision(strconv.FormatUint(s.count, 10))
		s.docs[name] = document{slices.Clone(data), rev}
		return nil
	})
	if err != nil {
		return "", err
	}
	return rev, nil
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, prefix string) (names []string, err error) {
	err = s.do(ctx, List, prefix, func() error {
		for _, name := range slices.Sorted(maps.Keys(s.docs)) {
			if strings.HasPrefix(name, prefix) {
				names = append(names, name)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return names, nil
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, name string, old store.Revision) error {
	return s.do(ctx, Delete, name, func() error {
		doc, ok := s.docs[name]
		switch {
		case !ok:
			return fmt.Errorf("delete %s: %w", name, store.ErrNotExist)
		case doc.revision != old:
			return fmt.Errorf("delete %s: %w", name, store.ErrConflict)
		}
		delete(s.docs, name)
		return nil
	})
}

// do runs work under the lock, between the two hooks.
func (s *Store) do(ctx context.Context, op Op, name string, work func() error) error {
	err := ctx.Err()
	if err == nil && op != List {
		err = store.CheckName(name)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", op, name, err)
	}
	s.mu.Lock()
	hooks := s.hooks
	s.mu.Unlock()
	if hooks.Before != nil {
		if err := hooks.Before(op, name); err != nil {
			return fmt.Errorf("%s %s: %w", op, name, err)
		}
	}
	s.mu.Lock()
	err = work()
	s.mu.Unlock()
	if err == nil && hooks.After != nil {
		if err := hooks.After(op, name); err != nil {
			return fmt.Errorf("%s %s: %w", op, name, err)
		}
	}
	return err
}
