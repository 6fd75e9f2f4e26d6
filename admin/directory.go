package admin

import (
	"cmp"
	"context"
	"slices"

	"mxdesk/ticketing"
)

// Staff and categories are what the node has in memory of the organisation: a change is seen within a second. They are few,
// so their lists have one page.

func (a *API) listStaff(ctx context.Context, _ *Scope) (*body[page[staff]], error) {
	org := orgOf(ctx)
	out := page[staff]{Items: []staff{}}
	categories := sortedCategories(org)
	for _, m := range org.Staff {
		s := staff{
			ID: writeID[personID]("per", m.ID), Name: m.Name, Email: m.Primary.String(), Role: m.Role, State: m.State, Categories: []categoryID{},
		}
		for _, c := range categories {
			if slices.ContainsFunc(c.Members, func(o *ticketing.Staff) bool { return o.ID == m.ID }) {
				s.Categories = append(s.Categories, writeNumber[categoryID]("cat", int64(c.ID)))
			}
		}
		out.Items = append(out.Items, s)
	}
	slices.SortFunc(out.Items, func(a, b staff) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return &body[page[staff]]{out}, nil
}

func (a *API) listCategories(ctx context.Context, _ *Scope) (*body[page[category]], error) {
	org := orgOf(ctx)
	out := page[category]{Items: []category{}}
	for _, c := range sortedCategories(org) {
		w := category{
			ID: writeNumber[categoryID]("cat", int64(c.ID)), Name: c.Name, Manager: writeIDOr[personID]("per", c.Manager),
			Members: []personID{}, Addresses: []string{},
		}
		for _, m := range c.Members {
			w.Members = append(w.Members, writeID[personID]("per", m.ID))
		}
		for _, address := range org.Addresses {
			if address.Category.ID == c.ID {
				w.Addresses = append(w.Addresses, address.Address.String())
			}
		}
		slices.Sort(w.Members)
		slices.Sort(w.Addresses)
		out.Items = append(out.Items, w)
	}
	return &body[page[category]]{out}, nil
}

func sortedCategories(org *ticketing.Organisation) []*ticketing.Category {
	list := make([]*ticketing.Category, 0, len(org.Categories))
	for _, c := range org.Categories {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *ticketing.Category) int { return cmp.Compare(a.ID, b.ID) })
	return list
}
