// Package directory is a store of files in a directory, durable and safe for
// several processes at once. A document is a file of mode 0600.
package directory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/autosign-dns/autosign/plugin/durable"
	"github.com/autosign-dns/autosign/plugin/store"
)

// Store is a store.Store in a directory. Its revisions are digests of the
// contents, so they hold over restarts, copies and restored backups.
type Store struct{ dir *durable.Dir }

var _ store.Store = (*Store)(nil)

// New returns the store in the directory, which is made by the first Swap.
func New(dir string) *Store { return &Store{dir: durable.New(dir)} }

// Load implements store.Store. It needs no lock: files only change by rename.
func (s *Store) Load(ctx context.Context, name string) ([]byte, store.Revision, error) {
	if err := check(ctx, name); err != nil {
		return nil, "", fmt.Errorf("load: %w", err)
	}
	data, err := os.ReadFile(s.dir.Path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", fmt.Errorf("load %s: %w", s.dir.Path(name), store.ErrNotExist)
	}
	if err != nil {
		return nil, "", fmt.Errorf("load: %w", err)
	}
	return data, revision(data), nil
}

// Swap implements store.Store.
func (s *Store) Swap(ctx context.Context, name string, old store.Revision, data []byte) (store.Revision, error) {
	if err := check(ctx, name); err != nil {
		return "", fmt.Errorf("swap: %w", err)
	}
	err := s.dir.Exclusive(ctx, func() error {
		_, now, err := s.Load(ctx, name)
		switch {
		case err != nil && !errors.Is(err, store.ErrNotExist):
			return err
		case now != old:
			return fmt.Errorf("%s: %w", s.dir.Path(name), store.ErrConflict)
		case old == "":
			return s.create(name, data)
		default:
			return s.dir.Replace(name, data)
		}
	})
	if err != nil {
		return "", fmt.Errorf("swap: %w", err)
	}
	return revision(data), nil
}

// create makes a document that must not be there; link refuses to replace even
// what somebody without the lock has put in place.
func (s *Store) create(name string, data []byte) error {
	err := s.dir.Create(name, data)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: %w", s.dir.Path(name), store.ErrConflict)
	}
	return err
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, prefix string) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list %s: %w", s.dir.Path(), err)
	}
	files, err := os.ReadDir(s.dir.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	var names []string
	for _, f := range files { // sorted already
		name := f.Name()
		if strings.HasPrefix(name, prefix) && store.CheckName(name) == nil && !f.IsDir() {
			names = append(names, name)
		}
	}
	return names, nil
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, name string, old store.Revision) error {
	if err := check(ctx, name); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	if !s.dir.Exists(name) { // spares making a directory only to find nothing in it
		return fmt.Errorf("delete %s: %w", s.dir.Path(name), store.ErrNotExist)
	}
	err := s.dir.Exclusive(ctx, func() error {
		_, now, err := s.Load(ctx, name)
		if err != nil {
			return err
		}
		if now != old {
			return fmt.Errorf("%s: %w", s.dir.Path(name), store.ErrConflict)
		}
		return s.dir.Remove(name)
	})
	if err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	return nil
}

func check(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return store.CheckName(name)
}

func revision(data []byte) store.Revision {
	sum := sha256.Sum256(data)
	return store.Revision(hex.EncodeToString(sum[:16]))
}
