package task

import (
	"context"
	"time"
)

// watchOwners looks for dead owners until ctx ends.
func (r *Runner) watchOwners(ctx context.Context) {
	ticker := time.NewTicker(r.watch())
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			r.reap(ctx)
		}
	}
}

// reap ends the leases of owners that have died, so that their tasks can be
// claimed at once, and removes what they left among the instances.
func (r *Runner) reap(ctx context.Context) {
	others, err := r.Instances.others()
	if err != nil {
		r.Logger.Warn("dead workers cannot be looked for", "error", err)
		return
	}
	for _, owner := range others {
		dead, err := r.Instances.Dead(owner)
		if err != nil {
			r.Logger.Warn("a worker cannot be looked at", "owner", owner, "error", err)
		}
		if !dead {
			continue
		}
		// The file goes last: as long as it is there, somebody will come
		// back to finish this.
		if err := r.Store.ExpireOwner(ctx, owner); err != nil {
			if ctx.Err() == nil {
				r.Logger.Warn("a dead worker's leases could not be ended", "owner", owner, "error", err)
			}
			return
		}
		if err := r.Instances.Forget(owner); err != nil {
			r.Logger.Warn("a dead worker's lock file could not be removed", "owner", owner, "error", err)
		}
		r.Logger.Info("took over from a dead worker", "owner", owner)
		r.Wake()
	}
}
