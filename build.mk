# What the makefiles have in common.
#
# One short line for each file that is made, such as `CC dial.c`; V=1 shows the commands themselves.
#
#	$(call say,CC,$<)
#	$(Q)$(CC) -c -o $@ $<

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '%-5s %s\n' '$1' '$2'
endif

# On all cores, unless make was already told how many. Its lines begin with `+`, for make looks for $(MAKE) in them as
# they are written and gives its jobs to no others.
SIDE_BY_SIDE = $(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
