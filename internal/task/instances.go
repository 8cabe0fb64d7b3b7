package task

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
	"github.com/google/uuid"
)

const lockSuffix = ".lock"

// Instances are the processes that work on one data folder. Each holds the
// operating system's lock on a file of its own there, which ends with the
// process however that ends.
type Instances struct {
	dir   string
	owner string
	lock  *flock.Flock
}

// JoinInstances makes dir if need be and registers this process under a new
// random name. Leave undoes it.
func JoinInstances(dir string) (*Instances, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("join instances: %w", err)
	}
	for range 10 {
		owner := uuid.NewString()
		lock := flock.New(filepath.Join(dir, owner+lockSuffix))
		ok, err := lock.TryLock()
		if err != nil {
			return nil, fmt.Errorf("join instances: %w", err)
		}
		if ok && inPlace(lock) {
			return &Instances{dir: dir, owner: owner, lock: lock}, nil
		}
		// Another process took the file for one left by the dead, in the
		// moment between its making and its locking. Its removal is theirs.
		_ = lock.Close()
	}
	return nil, errors.New("join instances: the lock file disappeared again and again")
}

// inPlace reports whether the locked file is still the one under its name.
func inPlace(lock *flock.Flock) bool {
	held, err := lock.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(lock.Path())
	return err == nil && os.SameFile(held, named)
}

// Owner is this process's name.
func (i *Instances) Owner() string { return i.owner }

// Leave gives up the lock and removes its file. It is for the end of the
// process, when no lease is left in its name.
func (i *Instances) Leave() error {
	// Removed first: once unlocked, others might take it for a dead one's.
	// Where locked files cannot be removed, the next process does it.
	_ = os.Remove(i.lock.Path())
	if err := i.lock.Close(); err != nil {
		return fmt.Errorf("leave instances: %w", err)
	}
	return nil
}

// Dead reports whether owner is a process of this folder that has died. Of an
// owner without a file here nothing is known: it may be on another machine.
func (i *Instances) Dead(owner string) (bool, error) {
	if owner == i.owner || uuid.Validate(owner) != nil {
		return false, nil
	}
	lock, err := i.takeOver(owner)
	if lock == nil {
		return false, err
	}
	// Names are never used twice, so the answer stays true without the lock.
	return true, lock.Close()
}

// Forget removes the lock file of a dead owner.
func (i *Instances) Forget(owner string) error {
	lock, err := i.takeOver(owner)
	if lock == nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	if err := os.Remove(lock.Path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget instance: %w", err)
	}
	return nil
}

// takeOver locks the file of another owner; nil if its owner lives or there is
// no such file.
func (i *Instances) takeOver(owner string) (*flock.Flock, error) {
	// Without O_CREATE, so that asking leaves nothing behind.
	lock := flock.New(filepath.Join(i.dir, owner+lockSuffix), flock.SetFlag(os.O_RDWR))
	ok, err := lock.TryLock()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("is instance %s alive: %w", owner, err)
	case !ok:
		return nil, nil
	}
	return lock, nil
}

// others lists the owners, other than this one, that have a file here.
func (i *Instances) others() ([]string, error) {
	entries, err := os.ReadDir(i.dir)
	if err != nil {
		return nil, fmt.Errorf("list instances: %w", err)
	}
	var owners []string
	for _, e := range entries {
		owner, ok := strings.CutSuffix(e.Name(), lockSuffix)
		if ok && owner != i.owner && uuid.Validate(owner) == nil {
			owners = append(owners, owner)
		}
	}
	return owners, nil
}
