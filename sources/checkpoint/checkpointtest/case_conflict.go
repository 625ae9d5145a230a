package checkpointtest

import "github.com/openesm/openesm/sources/checkpoint"

func conflictCases() []testCase {
	return []testCase{
		{"CreateAgain", "Create of a shard that has a lease is ErrConflict and changes nothing", createAgain, false},
		{"UpdateMissing", "Update of a lease that is not there is ErrConflict and creates nothing", updateMissing, false},
		{"UpdateConflict", "Update is ErrConflict, and changes nothing, if Owner or Counter are not as said", updateConflict, false},
		{"UpdateCompares", "Update compares Owner and Counter and nothing else", updateCompares, false},
		{"DeleteConflict", "Delete is ErrConflict, and changes nothing, if Owner or Counter are not as said", deleteConflict, false},
		{"DeleteCompares", "Delete compares Owner and Counter and nothing else", deleteCompares, false},
	}
}

func createAgain(p *probe) {
	a := full("a")
	p.create(a)
	p.conflict("Create of a lease that exists", p.store.Create(p.ctx, a))
	p.conflict("Create of a lease that exists", p.store.Create(p.ctx, checkpoint.Lease{Shard: "a"}))
	p.holds("after Create failed", a)
}

func updateMissing(p *probe) {
	a := full("a")
	p.conflict("Update of a lease that never was", p.store.Update(p.ctx, a, renewed(a)))
	nobodys := checkpoint.Lease{Shard: "b"}
	p.conflict("Update of a lease that never was", p.store.Update(p.ctx, nobodys, renewed(nobodys)))
	p.create(a)
	p.remove(a)
	p.conflict("Update of a lease that was deleted", p.store.Update(p.ctx, a, renewed(a)))
	p.holds("after Update failed")
}

// versions are the leases that are not stored, but differ from it in what is
// compared.
func versions(stored checkpoint.Lease) map[string]checkpoint.Lease {
	list := map[string]checkpoint.Lease{}
	add := func(what, owner string, counter int64) {
		if owner != stored.Owner || counter != stored.Counter {
			lease := stored.Clone()
			lease.Owner, lease.Counter = owner, counter
			list[what] = lease
		}
	}
	add("an older Counter", stored.Owner, stored.Counter-1)
	add("a newer Counter", stored.Owner, stored.Counter+1)
	add("Counter 0", stored.Owner, 0)
	add("another Owner", "somebody", stored.Counter)
	add("an Owner that begins with the same", stored.Owner+"1", stored.Counter)
	add("no Owner", "", stored.Counter)
	return list
}

// bothKinds are a lease that has an owner and one that has none.
func bothKinds() []checkpoint.Lease {
	owned, free := full("owned"), full("free")
	free.Owner = ""
	return []checkpoint.Lease{owned, free}
}

func updateConflict(p *probe) {
	stored := bothKinds()
	for _, lease := range stored {
		p.create(lease)
	}
	for _, lease := range stored {
		for what, last := range versions(lease) {
			next := renewed(last)
			next.Position.Sequence = "1"
			p.conflict("Update with "+what, p.store.Update(p.ctx, last, next))
		}
	}
	p.holds("after Update failed", stored...)
}

func updateCompares(p *probe) {
	for _, lease := range bothKinds() {
		p.create(lease)
		last := checkpoint.Lease{Shard: lease.Shard, Owner: lease.Owner, Counter: lease.Counter}
		next := full(lease.Shard)
		next.Counter, next.Owner = lease.Counter+1, "worker-2"
		p.update(last, next)
		p.holds("after Update", next)
		p.remove(next)
	}
}

func deleteConflict(p *probe) {
	stored := bothKinds()
	for _, lease := range stored {
		p.create(lease)
	}
	for _, lease := range stored {
		for what, last := range versions(lease) {
			p.conflict("Delete with "+what, p.store.Delete(p.ctx, last))
		}
	}
	p.holds("after Delete failed", stored...)
}

func deleteCompares(p *probe) {
	for _, lease := range bothKinds() {
		p.create(lease)
		p.remove(checkpoint.Lease{Shard: lease.Shard, Owner: lease.Owner, Counter: lease.Counter})
		p.holds("after Delete")
	}
}
