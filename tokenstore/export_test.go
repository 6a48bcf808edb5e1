package tokenstore

import "time"

// SetLeaseLife makes leases end sooner.
func (m *Memory) SetLeaseLife(d time.Duration) { m.leases.life = d }

// SetLeaseLife makes leases end sooner.
func (f *File) SetLeaseLife(d time.Duration) { f.leases.life = d }
