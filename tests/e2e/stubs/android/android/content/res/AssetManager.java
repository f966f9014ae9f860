package android.content.res;

import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;

public final class AssetManager {
    public AssetFileDescriptor openFd(String name) throws IOException {
        return new AssetFileDescriptor(new File(name));
    }

    public InputStream open(String name) throws IOException {
        return new FileInputStream(name);
    }
}
