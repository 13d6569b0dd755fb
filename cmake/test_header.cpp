// The precompiled header of the tests needs a translation unit to be made with.
