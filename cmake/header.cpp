// A precompiled header needs a translation unit to be made with.
