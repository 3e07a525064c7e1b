"""Motion files read and written: BVH, glTF, FBX, AMASS, AIST++, joint positions."""
